import type { CommandContext, DropInContext } from "@bootc-store/backend/command";

type OpenedStore = Awaited<ReturnType<DropInContext["openSource"]>>;

/** The store that a transport's name stands for on this host, for reading; `undefined` where there is none. */
export async function openStore(transport: string, context: CommandContext): Promise<OpenedStore> {
  if (transport !== "containers-storage") return undefined;
  const { openReferencedStore } = await import("@bootc-store/containers-storage");
  const { env } = context;
  const graphRoot = env["CONTAINERS_STORAGE_ROOT"];
  return openReferencedStore(
    { options: [], ...(graphRoot === undefined ? {} : { graphRoot }) },
    {
      readOnly: true,
      pool: context.pool(),
      environment: {
        root: context.openDir("/"),
        uid: process.geteuid?.() ?? 0,
        home: env["HOME"] ?? "/root",
        variables: env,
      },
    },
  );
}
