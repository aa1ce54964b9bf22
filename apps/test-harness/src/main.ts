import { LabError } from "@bootc-store/lab";
import { program } from "./program.ts";

try {
  await program().parseAsync(process.argv);
} catch (error) {
  if (!(error instanceof LabError)) throw error;
  process.stderr.write(`${error.code}: ${error.message}\n`);
  if (error.hint !== undefined) process.stderr.write(`hint: ${error.hint}\n`);
  process.exitCode = 3;
}
