// Which proxy a place is reached through, by the variables that curl made common, as containers' own tools read them
// (Go's httpproxy): the machine itself is never reached through one, and NO_PROXY lists names with everything below
// them, addresses, blocks of addresses and `*`, each with or without a port.

import { BlockList, isIP } from "node:net";

import { ociErrors } from "../errors.ts";

export type Variables = Readonly<Record<string, string | undefined>>;

interface Rule {
  /** Nothing where it holds for every port. */
  readonly port: string;
  readonly covers: (host: string) => boolean;
}

const DEFAULT_PORT: Readonly<Record<string, string>> = { "http:": "80", "https:": "443" };

export class Proxies {
  readonly #of: ReadonlyMap<string, URL | undefined>;
  readonly #direct: readonly Rule[];

  /** Reads `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`, or their names in small letters. Throws `oci/proxy-invalid`. */
  constructor(variables: Variables) {
    const read = (name: string): string => variables[name] || variables[name.toLowerCase()] || "";
    this.#of = new Map([
      ["http:", parseProxy("HTTP_PROXY", read("HTTP_PROXY"))],
      ["https:", parseProxy("HTTPS_PROXY", read("HTTPS_PROXY"))],
    ]);
    this.#direct = read("NO_PROXY")
      .split(",")
      .map((each) => each.trim().toLowerCase())
      .filter((each) => each !== "")
      .map(parseRule);
  }

  /** The proxy for a place; `undefined` for the direct way. */
  for(url: URL): URL | undefined {
    const proxy = this.#of.get(url.protocol);
    if (proxy === undefined) return undefined;
    const host = url.hostname.toLowerCase().replace(/^\[(.*)\]$/, "$1");
    if (host === "localhost" || LOOPBACK.check(host, family(host))) return undefined;
    const port = url.port || DEFAULT_PORT[url.protocol];
    return this.#direct.some((rule) => (rule.port === "" || rule.port === port) && rule.covers(host))
      ? undefined
      : proxy;
  }
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

function family(host: string): "ipv4" | "ipv6" {
  return isIP(host) === 6 ? "ipv6" : "ipv4";
}

function parseProxy(name: string, text: string): URL | undefined {
  if (text === "") return undefined;
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  // The text may hold a password, so that it is not told.
  if (url === null || url.hostname === "") throw ociErrors.error("proxy-invalid", `${name} is no address`);
  if (DEFAULT_PORT[url.protocol] === undefined) {
    throw ociErrors.error("proxy-invalid", `${name}: a proxy of the kind ${url.protocol}// is not supported`);
  }
  return url;
}

function parseRule(text: string): Rule {
  if (text === "*") return { port: "", covers: () => true };
  const block = /^(.+)\/(\d{1,3})$/.exec(text);
  const base = block?.[1] ?? "";
  if (block !== null && isIP(base) !== 0) {
    const bits = Number(block[2]);
    if (bits > (isIP(base) === 4 ? 32 : 128)) return { port: "", covers: () => false };
    const blocks = new BlockList();
    blocks.addSubnet(base, bits, family(base));
    return { port: "", covers: (host) => isIP(host) !== 0 && blocks.check(host, family(host)) };
  }
  const [, bracketed, plain, port = ""] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(text) ?? [];
  const name = bracketed ?? plain ?? text;
  if (isIP(name) !== 0) {
    const one = new BlockList();
    one.addAddress(name, family(name));
    return { port, covers: (host) => isIP(host) !== 0 && one.check(host, family(host)) };
  }
  // `.example.com` and `*.example.com` are what is below, `example.com` also the name itself.
  const below = name.startsWith("*.") ? name.slice(1) : name.startsWith(".") ? name : `.${name}`;
  const itself = below === `.${name}` ? name : "";
  return { port, covers: (host) => host.endsWith(below) || (itself !== "" && host === itself) };
}
