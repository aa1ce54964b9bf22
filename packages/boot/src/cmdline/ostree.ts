/** The parts of `ostree=/ostree/boot.V/STATEROOT/BOOTCSUM/SERIAL`. */
export interface OstreeKarg {
  readonly bootVersion: number;
  /** Absent in the form that boot entries have; present in resolved links, `boot.V.S`. */
  readonly subBootVersion?: number;
  readonly stateroot: string;
  readonly bootChecksum: string;
  readonly bootSerial: number;
}

/** `undefined` if the value has another form. */
export function parseOstreeKarg(value: string): OstreeKarg | undefined {
  const match = /^\/ostree\/boot\.([01])(?:\.([01]))?\/([^/]+)\/([0-9a-f]{64})\/([0-9]+)$/.exec(value);
  if (match === null) return undefined;
  return {
    bootVersion: Number(match[1]),
    ...(match[2] === undefined ? {} : { subBootVersion: Number(match[2]) }),
    stateroot: match[3] as string,
    bootChecksum: match[4] as string,
    bootSerial: Number(match[5]),
  };
}

export function printOstreeKarg(karg: OstreeKarg): string {
  const sub = karg.subBootVersion === undefined ? "" : `.${karg.subBootVersion}`;
  return `/ostree/boot.${karg.bootVersion}${sub}/${karg.stateroot}/${karg.bootChecksum}/${karg.bootSerial}`;
}
