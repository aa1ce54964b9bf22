import { describe, expect, it } from "vitest";
import { type Command, compare, findProgram, machineLine, markdownTable, measure, spread } from "../index.ts";

it("spread: the median of an even number is between the two in the middle", () => {
  expect(spread([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
  expect(spread([4, 1, 2, 3])).toEqual({ median: 2.5, min: 1, max: 4 });
});

const node = (script: string): Command => [process.execPath, "-e", script];

describe.skipIf(process.platform !== "linux" || !findProgram("perl"))("measure", () => {
  it("tells wall clock, processor time and memory of a command and its children", async () => {
    const idle = await measure(["sleep", "0.3"]);
    expect(idle.wall).toBeGreaterThanOrEqual(0.3);
    expect(idle.user + idle.system).toBeLessThan(0.2);
    const busy = await measure([
      "sh",
      "-c",
      '"$@"; true',
      "sh",
      ...node("while (process.cpuUsage().user + process.cpuUsage().system < 300_000);"),
    ]);
    expect(busy.user + busy.system).toBeGreaterThan(0.29);
    const large = await measure(node("Buffer.alloc(300e6, 1)"));
    expect(large.resident).toBeGreaterThan(300e6);
    expect(large.resident).toBeLessThan(500e6);
  });

  it("refuses a command that fails", async () => {
    await expect(measure(["sh", "-c", "echo broken >&2; exit 3"])).rejects.toMatchObject({
      code: "lab/command-failed",
      message: expect.stringMatching(/exit code 3.*broken/) as string,
    });
  });

  it("compares in turn, each round prepared and ended, the ratio within a round", async () => {
    const order: string[] = [];
    const result = await compare({
      name: "sleep",
      ours: {
        name: "ours",
        command: () => ["sleep", "0.05"],
        before: (round) => void order.push(`ours ${round}`),
      },
      peers: [
        { name: "peer", command: () => ["sleep", "0.1"], after: (round) => void order.push(`peer ${round}`) },
      ],
      rounds: 3,
    });
    expect(order.filter((one) => one.startsWith("ours"))).toEqual(["ours -1", "ours 0", "ours 1", "ours 2"]);
    expect(order.filter((one) => one.startsWith("peer"))).toHaveLength(4);
    const [ours, peer] = result.rows;
    expect(ours?.ratio).toBeUndefined();
    expect(peer?.ratio?.wall.median).toBeGreaterThan(0);
    const table = markdownTable([result]);
    expect(table.split("\n")).toHaveLength(5);
    expect(table).toContain("| sleep | ours |");
    expect(machineLine()).toContain(process.version);
  });
});
