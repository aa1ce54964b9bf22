// What a registry's answer means when it is not the wanted one. Status first: any of them may have any body.

import type { StoreError } from "@bootc-store/core";
import { isStoreError } from "@bootc-store/core";

import { collect } from "../collect.ts";
import { ociErrors } from "../errors.ts";
import { isObject } from "../json/fields.ts";
import { type JsonValue, parseJson } from "../json/parse.ts";
import { type HttpResponse, shownUrl } from "./http.ts";

const ERROR_LIMIT = 1 << 20;

export interface RegistryProblem {
  readonly code: string;
  readonly message: string;
}

/** The errors in a body, if it has any in the protocol's form. */
export async function problemsOf(response: HttpResponse): Promise<RegistryProblem[]> {
  let text: Uint8Array;
  try {
    text = await collect(response.body, ERROR_LIMIT, "error of a registry");
  } catch (error) {
    response.body.destroy();
    // The status has said what matters.
    if (isStoreError(error, "oci/document-too-large") || isCut(error)) return [];
    throw error;
  }
  return parseProblems(text);
}

function parseProblems(text: Uint8Array): RegistryProblem[] {
  let value: JsonValue;
  try {
    value = parseJson(text, { what: "error of a registry" });
  } catch (error) {
    if (isStoreError(error, "oci/json-invalid")) return [];
    throw error;
  }
  const list = isObject(value) ? value["errors"] : undefined;
  if (Array.isArray(list)) {
    return (list as JsonValue[]).filter(isObject).map((each) => ({
      code: typeof each["code"] === "string" ? each["code"] : "",
      message: typeof each["message"] === "string" ? each["message"] : "",
    }));
  }
  const details = isObject(value) ? value["details"] : undefined;
  return typeof details === "string" ? [{ code: "", message: details }] : [];
}

/** Whether a body ended before its end. */
export function isCut(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return (
    code === "ECONNRESET" || code === "EPIPE" || code === "ETIMEDOUT" || code === "ERR_STREAM_PREMATURE_CLOSE"
  );
}

/** The error for an answer that is not the wanted one. Reads its body. */
export async function unexpectedAnswer(response: HttpResponse, what: string): Promise<StoreError> {
  const problems = await problemsOf(response);
  const { status, url } = response;
  const said = problems
    .map(({ code, message }) => [code, message].filter((part) => part !== "").join(": "))
    .join("; ")
    .slice(0, 500);
  const message = `${what}: ${shownUrl(url)} answers ${status}${said === "" ? "" : ` (${said})`}`;
  const context = { url: shownUrl(url), status };
  if (status === 401) return ociErrors.error("registry-unauthorized", message, { context });
  if (status === 403) return ociErrors.error("registry-denied", message, { context });
  if (status === 404 || isUnknown(problems))
    return ociErrors.error("registry-not-found", message, { context });
  if (status === 429) return ociErrors.error("registry-rate-limited", message, { context });
  if (status >= 400) return ociErrors.error("registry-error", message, { context });
  return ociErrors.error("registry-answer", message, { context });
}

/** Registries that say "not there" by other statuses. */
function isUnknown(problems: readonly RegistryProblem[]): boolean {
  return problems.some(
    ({ code, message }) =>
      code === "MANIFEST_UNKNOWN" ||
      code === "NAME_UNKNOWN" ||
      code === "BLOB_UNKNOWN" ||
      (code === "UNKNOWN" && /not found/i.test(message)),
  );
}
