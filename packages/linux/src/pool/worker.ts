// The program of a worker thread. It waits for one task at a time and replies.

import { parentPort, workerData } from "node:worker_threads";
import { linuxErrors } from "../errors.ts";
import { encodeError, type ReplyMessage, type RunMessage, type WorkerSetup } from "./messages.ts";
import { definedTask, type Task } from "./task.ts";

if (parentPort === null) throw new Error("this module is the program of a worker thread");
const port = parentPort;
const { cancel } = workerData as WorkerSetup;
const signal = {
  get aborted() {
    return Atomics.load(cancel, 0) !== 0;
  },
};

port.on("message", (message: RunMessage) => {
  void handle(message);
});

async function handle(message: RunMessage): Promise<void> {
  const transfer: ArrayBuffer[] = [];
  let reply: ReplyMessage;
  try {
    const task = await findTask(message.module, message.name);
    const output = await task.run(message.input, { signal, transfer: (buffer) => transfer.push(buffer) });
    reply = { type: "done", output };
  } catch (error) {
    reply = { type: "failed", error: encodeError(error) };
  }
  try {
    port.postMessage(reply, reply.type === "done" ? transfer : []);
  } catch (error) {
    // The output cannot be cloned; the caller must hear of it.
    port.postMessage({ type: "failed", error: encodeError(error) } satisfies ReplyMessage);
  }
}

async function findTask(module: string, name: string): Promise<Task<unknown, unknown>> {
  let task = definedTask(module, name);
  if (task === undefined) {
    await import(module);
    task = definedTask(module, name);
  }
  if (task !== undefined) return task;
  throw linuxErrors.error("task-unknown", `${module} does not define a task named ${name}`, {
    context: { module, name },
  });
}
