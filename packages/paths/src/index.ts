export { AUTH_FILES } from "./auth.ts";
export * from "./constants.ts";
export { LAYOUT, type PlaceName, ROOT_MARKERS } from "./layout.ts";
export {
  bootcTag,
  COMPOSEFS_ID,
  composefsImageInfo,
  composefsOrigin,
  composefsStateDir,
  espKernelDir,
  espUki,
  OSTREE_DEPLOYMENT_NAME,
  ostreeDeploymentDir,
  ostreeOrigin,
  parseOstreeDeploymentName,
} from "./names.ts";
export { ORIGIN, ORIGIN_INCOMPATIBLE_GROUPS } from "./origin.ts";
export { type Base, type Owner, type Place, type PlaceKind } from "./place.ts";
