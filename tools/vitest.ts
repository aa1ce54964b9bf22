// What every package's vitest.config.ts says, said once.
import { defineConfig, type ViteUserConfig } from "vitest/config";

/** Sources, not builds: the condition under which workspace packages export their `.ts` files. */
const conditions = ["@bootc-store/source", "module", "node", "development|production"];

export function packageTests(
  name: string,
  overrides: NonNullable<ViteUserConfig["test"]> = {},
): ViteUserConfig {
  return defineConfig({
    resolve: { conditions },
    ssr: { resolve: { conditions, externalConditions: ["@bootc-store/source"] } },
    test: {
      name,
      include: ["src/**/*.test.ts", "tests/**/*.test.ts"],
      pool: "forks",
      execArgv: ["--conditions=@bootc-store/source"],
      testTimeout: 60_000,
      hookTimeout: 120_000,
      passWithNoTests: false,
      ...overrides,
    },
  });
}
