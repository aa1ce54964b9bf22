import { isStoreError } from "@bootc-store/core";
import { describe, expect, test } from "vitest";

import {
  imageReferenceOf,
  parseBootcReference,
  parseDockerReference,
  parseImageReference,
  parseOstreeReference,
  printBootcReference,
  printDockerReference,
  printFamiliarReference,
  printImageReference,
  printOstreeReference,
} from "../index.ts";

const HEX = "0123456789abcdef".repeat(4);
const DIGEST = `sha256:${HEX}`;

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (isStoreError(error)) return error.code;
    throw error;
  }
  return "accepted";
}

describe("docker references", () => {
  // What is written, its normal form, its short form.
  test.each([
    ["busybox", "docker.io/library/busybox", "busybox"],
    ["busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"],
    ["library/busybox", "docker.io/library/busybox", "busybox"],
    ["docker.io/busybox", "docker.io/library/busybox", "busybox"],
    ["index.docker.io/library/busybox", "docker.io/library/busybox", "busybox"],
    ["user/app", "docker.io/user/app", "user/app"],
    ["docker.io/library/a/b", "docker.io/library/a/b", "library/a/b"],
    ["quay.io/fedora/fedora-bootc:42", "quay.io/fedora/fedora-bootc:42", "quay.io/fedora/fedora-bootc:42"],
    ["localhost/x", "localhost/x", "localhost/x"],
    ["localhost:5000/x:y", "localhost:5000/x:y", "localhost:5000/x:y"],
    ["127.0.0.1:5000/a__b/c--d/e.f_g", "127.0.0.1:5000/a__b/c--d/e.f_g", "127.0.0.1:5000/a__b/c--d/e.f_g"],
    [`x@${DIGEST}`, `docker.io/library/x@${DIGEST}`, `x@${DIGEST}`],
    [`q.io/x:t@${DIGEST}`, `q.io/x:t@${DIGEST}`, `q.io/x:t@${DIGEST}`],
    ["Quay.IO/x", "Quay.IO/x", "Quay.IO/x"],
    ["xn--a.example/x", "xn--a.example/x", "xn--a.example/x"],
    [`x:${"t".repeat(128)}`, `docker.io/library/x:${"t".repeat(128)}`, `x:${"t".repeat(128)}`],
    ["example.com:80/x", "example.com:80/x", "example.com:80/x"],
  ])("%s", (text, normal, familiar) => {
    const reference = parseDockerReference(text);
    expect(printDockerReference(reference)).toBe(normal);
    expect(printFamiliarReference(reference)).toBe(familiar);
    expect(parseDockerReference(normal)).toEqual(reference);
    expect(parseDockerReference(familiar)).toEqual(reference);
  });

  test.each([
    "",
    HEX,
    "Busybox",
    "a/B",
    "a//b",
    "/a",
    "a/",
    "a..b",
    "a___b",
    "-a",
    "a-",
    "a_",
    "a b",
    "a:",
    "a:-tag",
    `a:${"t".repeat(129)}`,
    "a@sha256:abcd",
    `a@sha256:${HEX.toUpperCase()}`,
    `a@sha512:${HEX}`,
    "a@",
    "[::1]:5000/a",
    "a\u0000b",
    "a\n",
    "é",
    "http://example.com/a",
    `example.com/${"a".repeat(244)}`,
    "example.com:port/a",
    "../a",
    "x".repeat(5000),
  ])("refuses %j", (text) => {
    expect(codeOf(() => parseDockerReference(text))).toBe("oci/reference-invalid");
  });

  test("takes a name of 255 characters, domain and all", () => {
    expect(parseDockerReference(`example.com/${"a".repeat(243)}`).path).toHaveLength(243);
  });
});

describe("image references", () => {
  test.each([
    [
      "docker://busybox",
      { transport: "docker", reference: { path: "library/busybox", tag: "latest" } },
      "docker://busybox:latest",
    ],
    [
      `docker://q.io/x@${DIGEST}`,
      { transport: "docker", reference: { domain: "q.io" } },
      `docker://q.io/x@${DIGEST}`,
    ],
    ["docker://x@@unknown-digest@@", { unknownDigest: true }, "docker://x@@unknown-digest@@"],
    ["oci:/a/b", { transport: "oci", path: "/a/b" }, "oci:/a/b"],
    ["oci:/a/b:", { transport: "oci", path: "/a/b" }, "oci:/a/b"],
    ["oci:a:t", { path: "a", name: "t" }, "oci:a:t"],
    ["oci:a:b:c", { path: "a", name: "b:c" }, "oci:a:b:c"],
    ["oci:a:q.io/x:1.0+b@c--d", { path: "a", name: "q.io/x:1.0+b@c--d" }, "oci:a:q.io/x:1.0+b@c--d"],
    ["oci:a:@3", { path: "a", index: 3 }, "oci:a:@3"],
    ["oci-archive:a.tar:t", { transport: "oci-archive", path: "a.tar", name: "t" }, "oci-archive:a.tar:t"],
    ["dir:/a:b", { transport: "dir", path: "/a:b" }, "dir:/a:b"],
    ["docker-archive:a.tar", { transport: "docker-archive", path: "a.tar" }, "docker-archive:a.tar"],
    [
      "docker-archive:a.tar:x",
      { reference: { path: "library/x", tag: "latest" } },
      "docker-archive:a.tar:x:latest",
    ],
    ["docker-archive:a.tar:@0", { index: 0 }, "docker-archive:a.tar:@0"],
    [
      "containers-storage:[overlay@/a+/b]x",
      { rest: "[overlay@/a+/b]x" },
      "containers-storage:[overlay@/a+/b]x",
    ],
    ["docker-daemon:x:y", { rest: "x:y" }, "docker-daemon:x:y"],
  ])("%s", (text, parts, printed) => {
    const reference = parseImageReference(text);
    expect(reference).toMatchObject(parts);
    expect(printImageReference(reference)).toBe(printed);
    expect(parseImageReference(printed)).toEqual(reference);
  });

  test.each([
    ["busybox", "oci/reference-invalid"],
    ["docker:busybox", "oci/reference-invalid"],
    ["docker://", "oci/reference-invalid"],
    ["docker:///x", "oci/reference-invalid"],
    [`docker://x:t@${DIGEST}`, "oci/reference-invalid"],
    ["docker://x:t@@unknown-digest@@", "oci/reference-invalid"],
    ["oci:", "oci/reference-invalid"],
    ["oci::t", "oci/reference-invalid"],
    ["oci:a:@x", "oci/reference-invalid"],
    ["oci:a:@-1", "oci/reference-invalid"],
    ["oci:a:/t", "oci/reference-invalid"],
    ["oci:a:t_", "oci/reference-invalid"],
    ["oci:a:b c", "oci/reference-invalid"],
    ["oci:a\u0000b", "oci/reference-invalid"],
    ["dir:", "oci/reference-invalid"],
    ["docker-archive:", "oci/reference-invalid"],
    ["docker-archive:a:", "oci/reference-invalid"],
    [`docker-archive:a:x@${DIGEST}`, "oci/reference-invalid"],
    ["containers-storage:", "oci/reference-invalid"],
    ["http://x", "oci/transport-unknown"],
    ["DOCKER://x", "oci/transport-unknown"],
    [":x", "oci/transport-unknown"],
  ])("refuses %j", (text, code) => {
    expect(codeOf(() => parseImageReference(text))).toBe(code);
  });
});

describe("bootc's references", () => {
  test.each([
    ["ostree-unverified-registry:q.io/x:1", "registry", "q.io/x:1", "ostree-unverified-registry:q.io/x:1"],
    ["ostree-unverified-image:docker://q.io/x", "registry", "q.io/x", "ostree-unverified-registry:q.io/x"],
    ["ostree-unverified-image:oci:/a:b", "oci", "/a:b", "ostree-unverified-image:oci:/a:b"],
    ["ostree-image-signed:docker://q.io/x", "registry", "q.io/x", "ostree-image-signed:docker://q.io/x"],
    ["ostree-image-signed:registry:q.io/x", "registry", "q.io/x", "ostree-image-signed:docker://q.io/x"],
    [
      "ostree-remote-image:fedora:docker://q.io/x",
      "registry",
      "q.io/x",
      "ostree-remote-image:fedora:docker://q.io/x",
    ],
    [
      "ostree-remote-registry:fedora:q.io/x:t",
      "registry",
      "q.io/x:t",
      "ostree-remote-image:fedora:docker://q.io/x:t",
    ],
    [
      "ostree-remote-image:f:containers-storage:q.io/x",
      "containers-storage",
      "q.io/x",
      "ostree-remote-image:f:containers-storage:q.io/x",
    ],
  ])("%s", (text, transport, name, printed) => {
    const reference = parseOstreeReference(text);
    expect(reference.image).toEqual({ transport, name });
    expect(printOstreeReference(reference)).toBe(printed);
    expect(parseOstreeReference(printed)).toEqual(reference);
  });

  test.each([
    ["docker://q.io/x", "oci/reference-invalid"],
    ["ostree-unverified-image:q.io/x", "oci/reference-invalid"],
    ["ostree-unverified-image:docker:q.io/x", "oci/reference-invalid"],
    ["ostree-unverified-image:", "oci/reference-invalid"],
    ["ostree-unverified-registry:", "oci/reference-invalid"],
    ["ostree-image-signed:docker://", "oci/reference-invalid"],
    ["ostree-remote-image:docker", "oci/reference-invalid"],
    ["ostree-remote-image::docker://x", "oci/reference-invalid"],
    ["ostree-remote-registry:fedora", "oci/reference-invalid"],
    ["ostree-image-signed:http:x", "oci/transport-unknown"],
    ["ostree-image:docker://x", "oci/reference-invalid"],
  ])("refuses %j", (text, code) => {
    expect(codeOf(() => parseOstreeReference(text))).toBe(code);
  });

  test("an image reference prints back, and becomes one of containers/image", () => {
    expect(printBootcReference(parseBootcReference("registry:x"))).toBe("docker://x");
    expect(printBootcReference(parseBootcReference("oci-archive:/a"))).toBe("oci-archive:/a");
    expect(printImageReference(imageReferenceOf(parseBootcReference("registry:x")))).toBe(
      "docker://x:latest",
    );
    expect(codeOf(() => imageReferenceOf(parseBootcReference("registry:X")))).toBe("oci/reference-invalid");
  });
});
