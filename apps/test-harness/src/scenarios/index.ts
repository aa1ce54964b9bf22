import type { HarnessScenario } from "../scenario.ts";
import { faultScenarios } from "./faults.ts";
import { peerScenarios } from "./peers.ts";

/** Every scenario that the harness knows: its own, and those of the backends as they come. */
export const scenarios: readonly HarnessScenario[] = [...peerScenarios, ...faultScenarios];
