/** What is to be disposed of together, last first. A stand-in for `DisposableStack`, which Node 22 does not have. */
export class Cleanup implements Disposable {
  #held: Disposable[] = [];

  use<T extends Disposable>(value: T): T {
    this.#held.push(value);
    return value;
  }

  /** Gives what is held to a new owner; this one then disposes of nothing. */
  move(): Cleanup {
    const moved = new Cleanup();
    moved.#held = this.#held;
    this.#held = [];
    return moved;
  }

  [Symbol.dispose](): void {
    const held = this.#held.reverse();
    this.#held = [];
    const failures: unknown[] = [];
    for (const each of held) {
      try {
        each[Symbol.dispose]();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
