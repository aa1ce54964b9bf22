import type { CommandContext } from "@bootc-store/backend/command";
import { utf8 } from "@bootc-store/core";

import { storageErrors } from "../errors.ts";

export interface HostStatusOptions {
  readonly format?: string | undefined;
  readonly formatVersion?: string | undefined;
  readonly booted?: true | undefined;
  readonly verbose?: true | undefined;
  readonly assumeBooted?: string | undefined;
  readonly esp?: string | undefined;
}

export const FORMATS = ["humanreadable", "yaml", "json"] as const;

/** The status of the host in bootc's words, printed as `bootc status` prints it. */
export async function hostStatusText(
  context: CommandContext,
  path: string,
  options: HostStatusOptions,
): Promise<string> {
  const version = options.formatVersion ?? "0";
  if (version !== "0" && version !== "1")
    throw storageErrors.error("argument-invalid", `Unsupported format version: ${version}`);
  const format = FORMATS.find((each) => each === (options.format ?? "humanreadable"));
  if (format === undefined) {
    throw storageErrors.error(
      "argument-invalid",
      `--format is one of ${FORMATS.join(", ")}, not "${options.format ?? ""}"`,
    );
  }
  const { hostOfRoot, parseBootedName, printHostForPeople, printHostJson, printHostYaml } =
    await import("../host/index.ts");
  const { Environment } = await import("../environment.ts");
  const booted = options.assumeBooted === undefined ? undefined : parseBootedName(options.assumeBooted);
  const root = context.openDir(path);
  const host = context.openDir("/");
  // What runs is told only of the root that it runs from.
  const running =
    booted === undefined && path === "/sysroot"
      ? {
          host,
          run: host.openDir(utf8("run")),
          environment: Environment.detect({ host, env: context.env }),
        }
      : undefined;
  try {
    const found = await hostOfRoot(root, {
      pool: context.pool(),
      signal: context.signal,
      ...(booted === undefined ? {} : { booted }),
      ...(running === undefined ? {} : { running }),
      ...(options.esp === undefined ? {} : { esp: context.openDir(options.esp) }),
    });
    const shown =
      options.booted === true
        ? { ...found, status: { ...found.status, staged: null, rollback: null } }
        : found;
    if (format === "json") return printHostJson(shown);
    return format === "yaml" ? printHostYaml(shown) : printHostForPeople(shown, options.verbose === true);
  } finally {
    running?.run[Symbol.dispose]();
  }
}
