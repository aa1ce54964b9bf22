// How a package's tests run: on sources, in processes of their own.
import type { UserProjectConfigExport } from "vitest/config";

/** Sources, not builds: the condition under which workspace packages export their `.ts` files. */
const SOURCE = "@bootc-store/source";

export function packageTests(name: string, root?: string): UserProjectConfigExport {
  const conditions = [SOURCE, "module", "node", "development|production"];
  return {
    ...(root === undefined ? {} : { root }),
    resolve: { conditions },
    ssr: { resolve: { conditions, externalConditions: [SOURCE] } },
    test: {
      name,
      include: ["src/**/*.test.ts", "tests/**/*.test.ts"],
      pool: "forks",
      execArgv: [`--conditions=${SOURCE}`],
      testTimeout: 60_000,
      hookTimeout: 120_000,
    },
  };
}
