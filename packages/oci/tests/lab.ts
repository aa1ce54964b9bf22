import { openLab } from "@bootc-store/lab";

/** The peers and file systems of integration tests; each test file closes it at its end. */
export const lab = openLab({ cache: process.env["BOOTC_STORE_CACHE"] });
