import { Option } from "@commander-js/extra-typings";

/** `--cache DIR`, or the environment's `BOOTC_STORE_CACHE`. */
export const cacheOption = () =>
  new Option("--cache <dir>", "where peers, kernels and images are kept").env("BOOTC_STORE_CACHE");

export const log = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

export const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
