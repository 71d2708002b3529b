/**
 * The bureau's gateway, as another gateway asks it: for companies of its directory, and to enrol
 * the buyer of an invoice. By REST, with an API key of an issuer there; nothing is asked unless the
 * operator sets both address and key.
 *
 * Its answers are bounded in time and believed only as far as they can be proven: the caller checks
 * an identity against the registry.
 */
import { type Identity, identitySchema } from "@onepiao/protocol/proofs/bundle.ts";
import { type Code, catalogue, Problem } from "@onepiao/protocol/values/problems.ts";
import { normaliseTaxId } from "@onepiao/protocol/values/tax-id.ts";
import { z } from "zod";
import type { Lookup } from "./directory.ts";

export type BureauGateway = Lookup & {
  /**
   * The buyer's identity; "pending" while the chain does not have it. Throws the bureau's refusal
   * as a Problem, and an Error when there is no answer.
   */
  enrol(buyer: { taxId: string; name: string }): Promise<Identity | "pending">;
};

const PATH = "/v1/taxpayers/directory";
const TIMEOUT_MS = 10_000;
/** The bureau's gateway holds its answer for the chain so long. */
const HOLD_SECONDS = 5;

const matchesSchema = z.object({
  items: z.array(z.object({ taxId: z.string().max(40), name: z.string().max(300) })).max(50),
  more: z.boolean(),
});
const refusalSchema = z.object({
  code: z.string(),
  detail: z.string(),
  errors: z.array(z.object({ field: z.string(), rule: z.string(), detail: z.string() })).optional(),
});
/** Refusals that say something about the buyer; others say that the gateways do not understand. */
const aboutBuyer: ReadonlySet<string> = new Set<Code>([
  "buyer-not-enrolled",
  "name-not-enrolled",
  "enrolment-limit",
]);

type Deps = { url: string; token: string };

export function createBureauGateway({ url, token }: Deps): BureauGateway {
  async function ask(path: string, more: RequestInit = {}): Promise<[number, unknown]> {
    const response = await fetch(new URL(path, url), {
      ...more,
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: { authorization: `Bearer ${token}`, ...more.headers },
    });
    const body: unknown = await response.json();
    if (response.ok) return [response.status, body];
    const { data: refusal } = refusalSchema.safeParse(body);
    if (refusal && aboutBuyer.has(refusal.code) && refusal.code in catalogue)
      throw new Problem(refusal.code as Code, refusal.detail, {
        violations: refusal.errors ?? [],
      });
    throw new Error(
      `the bureau's gateway answers ${response.status} ${refusal?.code ?? ""}`.trim(),
    );
  }

  async function search(query: Parameters<Lookup["search"]>[1], limit: number) {
    const parameters = new URLSearchParams({ ...query, limit: String(limit) });
    try {
      return matchesSchema.parse((await ask(`${PATH}?${parameters}`))[1]);
    } catch (cause) {
      throw new Problem("unavailable", "The bureau's gateway does not answer now; try again", {
        cause,
      });
    }
  }

  return {
    search: (_tx, query, limit) => search(query, limit),

    async find(_tx, taxId) {
      const exact = normaliseTaxId(taxId);
      const { items } = await search({ taxId: exact }, 1);
      return items.find((company) => company.taxId === exact);
    },

    async enrol({ taxId, name }) {
      const [status, body] = await ask(`${PATH}/enrolments`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          // the tax id makes it once; a key of its own lets each try look again
          "idempotency-key": crypto.randomUUID(),
          prefer: `wait=${HOLD_SECONDS}`,
        },
        body: JSON.stringify({ taxId, name }),
      });
      if (status !== 200) return "pending";
      const identity = identitySchema.parse(body);
      if (identity.taxId !== normaliseTaxId(taxId))
        throw new Error("the bureau's gateway answers with another company");
      return identity;
    },
  };
}
