export { ostreeErrors } from "./errors.ts";
