import type { FileSystemKind, Lab } from "@bootc-store/lab";
import type { Scenario, ScenarioContext } from "@bootc-store/testkit";

/** What the harness gives to a scenario beyond what every runner gives. */
export interface HarnessContext extends ScenarioContext {
  readonly lab: Lab;
  /** The file system that `scratch` lies on. */
  readonly filesystem: FileSystemKind;
  /** Puts a line into the report: a version, the exact command of a peer. */
  note(line: string): void;
}

/** A scenario that uses the lab. Those of backends, which do not, are ones too. */
export interface HarnessScenario extends Omit<Scenario, "run"> {
  run(t: HarnessContext): Promise<void>;
}
