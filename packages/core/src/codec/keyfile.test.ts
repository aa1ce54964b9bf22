import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { KeyFile } from "./keyfile.ts";

const CONFIG = `# kept
[core]
repo_version=1
mode=bare

; not a comment to GLib would fail, so it is not here
`.replace(/^;.*\n/m, "");

describe("reading", () => {
  test("order, comments and blank lines survive", () => {
    const file = KeyFile.parse(CONFIG);
    expect(file.groups()).toEqual(["core"]);
    expect(file.keys("core")).toEqual(["repo_version", "mode"]);
    expect(file.print()).toBe(CONFIG);
  });

  test("the last of duplicate keys counts, also over two groups of one name", () => {
    const file = KeyFile.parse("[a]\nk=1\nk=2\n[b]\nk=9\n[a]\nk=3\n");
    expect(file.get("a", "k")).toBe("3");
    expect(file.getAll("a", "k")).toEqual(["1", "2", "3"]);
    expect(file.groups()).toEqual(["a", "b"]);
  });

  test.each([
    ["[g\nk=v\n", "line 1"],
    ["k=v\n", "line 1"],
    ["[g]\nno equals\n", "line 2"],
    ["[g]\n=v\n", "line 2"],
    ["[a]b]\n", "line 1"],
  ])("%j is refused with its line", (text, where) => {
    expect(() => KeyFile.parse(text)).toThrow(expect.objectContaining({ code: "core/keyfile-syntax" }));
    expect(() => KeyFile.parse(text)).toThrow(where);
  });

  test("values: escapes, lists, booleans, numbers", () => {
    const file = KeyFile.parse("[g]\ns=\\sa\\tb\\\\n\nl=a;b\\;c;\nt=true\none=1\ni=-42\nbad=\\q\nyes=yes\n");
    expect(file.getString("g", "s")).toBe(" a\tb\\n");
    expect(file.getStringList("g", "l")).toEqual(["a", "b;c"]);
    expect(file.getBoolean("g", "t")).toBe(true);
    expect(file.getBoolean("g", "one")).toBe(true);
    expect(file.getInteger("g", "i")).toBe(-42);
    expect(file.getString("g", "absent")).toBeUndefined();
    expect(() => file.getString("g", "bad")).toThrow(expect.objectContaining({ code: "core/keyfile-value" }));
    expect(() => file.getBoolean("g", "yes")).toThrow(
      expect.objectContaining({ code: "core/keyfile-value" }),
    );
    expect(() => file.getInteger("g", "s")).toThrow(expect.objectContaining({ code: "core/keyfile-value" }));
  });

  test("systemd's dialect: both comments, continued lines, keys that add up", () => {
    const text = "; c\n[Image]\n# c\nImage=a\\\n  # between\n  b  \nGlobalArgs=x\nGlobalArgs=y\nOn=yes\n";
    const file = KeyFile.parse(text, "systemd");
    expect(file.get("Image", "Image")).toBe("a b");
    expect(file.getAll("Image", "GlobalArgs")).toEqual(["x", "y"]);
    expect(file.getBoolean("Image", "On")).toBe(true);
    expect(file.print()).toBe(text);
  });

  test("bootc's origin: blanks around the sign, no newline at the end", () => {
    const text =
      "[origin]\ncontainer-image-reference = ostree-unverified-image:docker://x/y\n\n[boot]\nboot_type = bls";
    const file = KeyFile.parse(text, "ini");
    expect(file.get("origin", "container-image-reference")).toBe("ostree-unverified-image:docker://x/y");
    expect(file.print()).toBe(text);
    const made = new KeyFile("ini");
    made.set("origin", "container-image-reference", "ostree-unverified-image:docker://x/y");
    made.set("boot", "boot_type", "bls");
    expect(made.print()).toBe(text);
  });
});

describe("writing", () => {
  test("a changed key stays where it is, a new one goes to the end of its group", () => {
    const file = KeyFile.parse("[a]\nx=1\n# c\ny=2\n\n[b]\nz=3\n");
    file.set("a", "x", "9");
    file.set("a", "n", "4");
    file.set("c", "k", "v");
    expect(file.print()).toBe("[a]\nx=9\n# c\ny=2\nn=4\n\n[b]\nz=3\n\n[c]\nk=v\n");
    expect(file.remove("a", "y")).toBe(true);
    expect(file.remove("a", "y")).toBe(false);
    expect(file.removeGroup("b")).toBe(true);
    expect(file.print()).toBe("[a]\nx=9\n# c\nn=4\n\n[c]\nk=v\n");
  });

  test("a value cannot smuggle in a line", () => {
    const file = new KeyFile();
    expect(() => file.set("g", "k", "a\n[evil]")).toThrow(
      expect.objectContaining({ code: "core/keyfile-value" }),
    );
    expect(() => file.set("g\n", "k", "v")).toThrow(expect.objectContaining({ code: "core/keyfile-syntax" }));
    expect(() => file.set("g", "k", " v")).toThrow(expect.objectContaining({ code: "core/keyfile-value" }));
    expect(() => file.set("g", "k=", "v")).toThrow(expect.objectContaining({ code: "core/keyfile-syntax" }));
  });

  test("what is set as a string or a list is read back", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.array(fc.string({ minLength: 1 })), (text, list) => {
        fc.pre(!/^\s*\f/.test(text) && !/^\s*\f/.test(list[0] ?? ""));
        const file = new KeyFile();
        file.setString("g", "s", text);
        file.setStringList("g", "l", list);
        const again = KeyFile.parse(file.print());
        expect(again.getString("g", "s")).toBe(text);
        expect(again.getStringList("g", "l")).toEqual(list);
        expect(again.print()).toBe(file.print());
      }),
    );
  });

  test("any text is either refused with a code or printed as it was", () => {
    const line = fc.oneof(
      fc.constantFrom("[g]", "k=v", "# c", "", "x = y", "[a", "junk", "; c", "k=v\\"),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(line), fc.constantFrom("glib", "systemd", "ini" as const), (lines, profile) => {
        const text = lines.map((each) => `${each.replaceAll(/[\r\n]/g, "")}\n`).join("");
        let file: KeyFile;
        try {
          file = KeyFile.parse(text, profile);
        } catch (error) {
          expect(error).toMatchObject({ code: "core/keyfile-syntax" });
          return;
        }
        expect(file.print()).toBe(profile === "ini" ? text.replace(/\n$/, "") : text);
      }),
    );
  });
});
