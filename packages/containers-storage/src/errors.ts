import { defineErrors } from "@bootc-store/core";

/** Every error that this package throws. */
export const containersStorageErrors = defineErrors("containers-storage", {
  "store-not-found": { kind: "not-found", meaning: "The directory is not a graph root." },
  "store-read-only": { kind: "read-only", meaning: "The store was opened for reading only." },
  "driver-unsupported": {
    kind: "unsupported",
    meaning: "The store's graph driver is none that this package knows.",
    hint: "Only overlay can be written; overlay and vfs can be read.",
  },
  "feature-unsupported": {
    kind: "unsupported",
    meaning: "The store uses an option that this package does not have.",
  },
  "json-invalid": { kind: "corrupt", meaning: "An index of the store is not the JSON that it should be." },
  "record-invalid": { kind: "corrupt", meaning: "A record of an index has a field that is no value for it." },
  "tar-split-invalid": { kind: "corrupt", meaning: "A layer's tar-split is malformed." },
  "conf-invalid": { kind: "usage", meaning: "A storage.conf is not valid." },
  "reference-invalid": { kind: "usage", meaning: "Not a reference of the containers-storage transport." },
  "big-data-name-invalid": { kind: "usage", meaning: "Not a name of a big data item." },
  "image-not-found": { kind: "not-found", meaning: "No image has this id, name or digest." },
  "image-id-taken": {
    kind: "conflict",
    meaning: "An image of this id is there already, and has another top layer.",
  },
  "image-in-use": { kind: "conflict", meaning: "A container uses the image." },
  "container-not-found": { kind: "not-found", meaning: "No container has this id or name." },
  "container-id-taken": { kind: "conflict", meaning: "A container of this id or name is there already." },
  "image-invalid": { kind: "corrupt", meaning: "An image's documents do not fit together." },
  "layer-not-found": { kind: "not-found", meaning: "No layer has this id or name." },
  "layer-id-taken": { kind: "conflict", meaning: "A layer of this id or name is there already." },
  "layer-in-use": {
    kind: "conflict",
    meaning: "A layer has children, or an image or a container uses it, or it is mounted.",
  },
  "layer-incomplete": {
    kind: "corrupt",
    meaning: "A layer is being made or removed, or was when a program died.",
  },
  "layer-tar-unavailable": {
    kind: "unsupported",
    meaning: "The store does not have what is needed to give this layer's exact tar.",
  },
  "layer-digest-mismatch": {
    kind: "corrupt",
    meaning: "A layer's tar has another digest or size than was said.",
  },
  "layer-content-mismatch": {
    kind: "corrupt",
    meaning: "A file of a layer is missing, or has another size or checksum than its tar-split says.",
  },
  "layer-entry-invalid": { kind: "corrupt", meaning: "A layer's tar has an entry that cannot be extracted." },
  "layer-entry-unsupported": {
    kind: "unsupported",
    meaning: "A layer's tar has an entry of a kind that the store has no place for.",
  },
  "layer-depth": { kind: "unsupported", meaning: "An image has more layers than overlay can stack." },
  "big-data-missing": { kind: "corrupt", meaning: "A record names a big data item that is not there." },
  "signatures-invalid": {
    kind: "corrupt",
    meaning: "What an image's metadata says of its signatures is not so.",
  },
  "bound-image-invalid": { kind: "corrupt", meaning: "A bound image is not declared as it should be." },
  "staging-exhausted": { kind: "io", meaning: "No name for a staging directory could be had." },
});
