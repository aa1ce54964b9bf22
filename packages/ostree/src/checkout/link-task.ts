import { defineTask, Dir, throwIfCancelled } from "@bootc-store/linux";

import type { Checksum } from "../format/checksum.ts";
import type { ObjectPlaces } from "../objects/places.ts";
import { ObjectReader } from "../objects/reader.ts";
import type { DirectoryRules } from "./directory.ts";
import type { FileRules } from "./file.ts";
import { LinkExchange, type ExchangeMemory } from "./link-exchange.ts";
import { type LinkCounts, LinkWalk } from "./link-walk.ts";

export interface HelpLinkInput {
  readonly places: ObjectPlaces;
  /** Descriptor of the destination. */
  readonly into: number;
  readonly files: FileRules;
  readonly rules: DirectoryRules;
  readonly devino: boolean;
  readonly memory: ExchangeMemory;
}

export interface HelpLinkOutput {
  readonly counts: LinkCounts;
  readonly devino: readonly (readonly [key: string, checksum: Checksum])[];
}

/** That another thread has failed, which says why. */
class Stopped extends Error {}

/** Takes its share of a checkout by links, until that is over. */
export const helpLink = defineTask(
  import.meta.url,
  "helpLink",
  async (input: HelpLinkInput, { signal }): Promise<HelpLinkOutput> => {
    const exchange = new LinkExchange(input.memory);
    using reader = new ObjectReader(input.places);
    const walk = new LinkWalk(reader, Dir.borrow(input.into, ""), input.files, input.rules, input.devino);
    try {
      for (;;) {
        const unit = exchange.wait(1000);
        if (unit === "over") return { counts: walk.counts, devino: walk.devino ?? [] };
        throwIfCancelled(signal);
        if (unit === "none") continue;
        await walk.run(unit, () => {
          if (exchange.stopped) throw new Stopped();
          throwIfCancelled(signal);
          exchange.feed(() => walk.giveAway());
        });
        exchange.done();
      }
    } catch (error) {
      if (error instanceof Stopped) return { counts: walk.counts, devino: [] };
      exchange.stop();
      throw error;
    }
  },
);
