export { contractScenarios, type ContractStore } from "./contract/scenarios.ts";
export { buildImage, type ImagePlan, layerOf, type LayerPlan } from "./images/build.ts";
export { leakedDescriptors, openDescriptors } from "./leak-check.ts";
export { MemoryBackend } from "./memory/backend.ts";
export { memoryErrors } from "./memory/objects.ts";
export {
  describeScenarios,
  type Needs,
  type Scenario,
  type ScenarioContext,
  type VitestScenarios,
} from "./scenario.ts";
