import { isStoreError } from "@bootc-store/core";
import { describe, expect, test } from "vitest";

import { Proxies, type Variables } from "./proxy.ts";

const way = (variables: Variables, url: string): string | undefined =>
  new Proxies(variables).for(new URL(url))?.origin;

describe("proxies of the environment", () => {
  test.each<[Variables, string, string | undefined]>([
    [{}, "https://q.io/", undefined],
    [{ HTTPS_PROXY: "http://p:3128" }, "https://q.io/", "http://p:3128"],
    [{ HTTPS_PROXY: "p:3128" }, "https://q.io/", "http://p:3128"],
    [{ https_proxy: "https://p" }, "https://q.io/", "https://p"],
    [{ HTTPS_PROXY: "http://big", https_proxy: "http://small" }, "https://q.io/", "http://big"],
    [{ HTTPS_PROXY: "", https_proxy: "http://small" }, "https://q.io/", "http://small"],
    [{ HTTPS_PROXY: "http://p" }, "http://q.io/", undefined],
    [{ HTTP_PROXY: "http://p" }, "http://q.io/", "http://p"],
    // The machine itself.
    [{ HTTP_PROXY: "http://p" }, "http://localhost:5000/", undefined],
    [{ HTTP_PROXY: "http://p" }, "http://127.0.0.9:5000/", undefined],
    [{ HTTP_PROXY: "http://p" }, "http://[::1]:5000/", undefined],
    // NO_PROXY
    [{ HTTP_PROXY: "http://p", NO_PROXY: "*" }, "http://q.io/", undefined],
    [{ HTTP_PROXY: "http://p", NO_PROXY: "a.io, Q.io" }, "http://q.IO/", undefined],
    [{ HTTP_PROXY: "http://p", no_proxy: "q.io" }, "http://sub.q.io/", undefined],
    [{ HTTP_PROXY: "http://p", NO_PROXY: "q.io" }, "http://notq.io/", "http://p"],
    [{ HTTP_PROXY: "http://p", NO_PROXY: ".q.io" }, "http://q.io/", "http://p"],
    [{ HTTP_PROXY: "http://p", NO_PROXY: ".q.io" }, "http://a.b.q.io/", undefined],
    [{ HTTP_PROXY: "http://p", NO_PROXY: "*.q.io" }, "http://a.q.io/", undefined],
    [{ HTTP_PROXY: "http://p", NO_PROXY: "q.io:5000" }, "http://q.io/", "http://p"],
    [{ HTTP_PROXY: "http://p", NO_PROXY: "q.io:80" }, "http://q.io/", undefined],
    [{ HTTPS_PROXY: "http://p", NO_PROXY: "q.io:443" }, "https://q.io/", undefined],
    [{ HTTP_PROXY: "http://p", NO_PROXY: "10.1.0.0/16" }, "http://10.1.2.3/", undefined],
    [{ HTTP_PROXY: "http://p", NO_PROXY: "10.1.0.0/16" }, "http://10.2.2.3/", "http://p"],
    [{ HTTP_PROXY: "http://p", NO_PROXY: "10.1.0.0/99" }, "http://10.1.2.3/", "http://p"],
    [{ HTTP_PROXY: "http://p", NO_PROXY: "fd00::/8" }, "http://[fd12::1]/", undefined],
    [{ HTTP_PROXY: "http://p", NO_PROXY: "10.1.2.3:80" }, "http://10.1.2.3/", undefined],
    [{ HTTP_PROXY: "http://p", NO_PROXY: "[fd12::1]:81" }, "http://[fd12::1]/", "http://p"],
    [{ HTTP_PROXY: "http://p", NO_PROXY: "[fd12::1]" }, "http://[fd12::1]/", undefined],
    [{ HTTP_PROXY: "http://p", NO_PROXY: "fd12::1" }, "http://[fd12::1]/", undefined],
    [{ HTTP_PROXY: "http://p", NO_PROXY: ",, ," }, "http://q.io/", "http://p"],
  ])("%j: %s", (variables, url, expected) => {
    expect(way(variables, url)).toBe(expected);
  });

  test.each(["socks5://p:1080", "http://", "http://a b", "ftp://x"])("refuses %j", (text) => {
    const secret = "pa55";
    const withUser = text.replace("://", `://me:${secret}@`);
    for (const each of [text, withUser]) {
      try {
        expect(new Proxies({ HTTPS_PROXY: each })).toBe("an error");
      } catch (error) {
        if (!isStoreError(error)) throw error;
        expect(error.code).toBe("oci/proxy-invalid");
        expect(`${error.message} ${JSON.stringify(error)}`).not.toContain(secret);
      }
    }
  });
});
