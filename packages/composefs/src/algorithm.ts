import type { VerityAlgorithm } from "@bootc-store/linux";

/** The fs-verity hash by which a repository names its objects. Blocks are always of 4096 bytes. */
export type ComposefsAlgorithm = Extract<VerityAlgorithm, "sha256" | "sha512">;

interface AlgorithmFacts {
  /** In meta.json. */
  readonly name: string;
  /** In a splitstream's header, as in the kernel's fs-verity. */
  readonly number: number;
  readonly digestSize: number;
}

export const ALGORITHMS: Readonly<Record<ComposefsAlgorithm, AlgorithmFacts>> = {
  sha256: { name: "fsverity-sha256-12", number: 1, digestSize: 32 },
  sha512: { name: "fsverity-sha512-12", number: 2, digestSize: 64 },
};

/** The algorithm of a name as meta.json has it. */
export function algorithmByName(name: string): ComposefsAlgorithm | undefined {
  return (Object.keys(ALGORITHMS) as ComposefsAlgorithm[]).find((each) => ALGORITHMS[each].name === name);
}

/** Whether a text is an object's full digest of that algorithm. */
export function isObjectId(text: string, algorithm: ComposefsAlgorithm): boolean {
  return text.length === ALGORITHMS[algorithm].digestSize * 2 && /^[0-9a-f]*$/.test(text);
}
