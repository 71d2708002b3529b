/**
 * Operations as their parties see them, and the signatures of parties that keep their own keys.
 *
 * The account that asked for an operation sees it, and so do its signers and the bureau: with a key
 * that has the operation's role, or `admin`.
 */

import { acts } from "@onepiao/protocol/ledger/acts.ts";
import {
  compactSignature,
  type Message,
  recoverSigner,
  typedData,
} from "@onepiao/protocol/ledger/messages.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import {
  find,
  type Operation,
  type OperationStatus,
  operationStatuses,
  putSignatures,
} from "../../acts/operations.ts";
import type { Contracts } from "../../chain/contracts.ts";
import type { Query, Tx } from "../../db/db.ts";
import { inOrder, LOOK, pageOfIds } from "../../db/lists.ts";
import type { Answer, Caller, Role } from "../../kernel/api.ts";
import { keyOf } from "../../mirror/registry.ts";

export type Operations = ReturnType<typeof createOperations>;

export const operationLink = (id: string) => `/v1/operations/${id}`;

/** 202: the work goes on; `body` also gets the operation to ask about. */
export function accepted(operation: string, body: Record<string, unknown> = {}): Answer {
  const href = operationLink(operation);
  return {
    status: 202,
    body: { ...body, operation: { id: operation, href } },
    headers: { Location: href },
  };
}

/**
 * For a route's `settled`: the final answer once the accepted operation is done; throws its
 * refusal.
 */
export async function settle(
  tx: Tx,
  answer: Answer,
  done: (operation: Operation) => Promise<Answer>,
): Promise<Answer | undefined> {
  const id = (answer.body as { operation?: { id: string } }).operation?.id;
  const operation = id === undefined ? undefined : await find(tx, id);
  if (!operation) return undefined;
  if (operation.status === "done") return done(operation);
  if (operation.status === "refused" || operation.status === "failed") throw refusalOf(operation);
  return undefined;
}

export function refusalOf(operation: Operation): Problem {
  const { code, detail, extra } = operation.problem ?? {
    code: "internal" as const,
    detail: "It failed without a reason",
  };
  return new Problem(code, detail, {
    extra: { ...extra, operation: { id: operation.id, href: operationLink(operation.id) } },
  });
}

const roleOfConsent = { receiver: "holder", employer: "employer" } as const;
/** An act's operation has the act's kind, in lower case. */
const rolesOfActs = Object.entries(acts).map(([kind, { signs, consents }]) => [
  kind.toLowerCase(),
  { party: signs, ...(consents ? { signer: roleOfConsent[consents.who] } : {}) },
]);
/**
 * The role of each kind of operation: for the account that asked for it, and for another account
 * that signs it too. Kinds that are missing belong to `admin`, or to the bureau.
 */
const rolesOfKind: Readonly<Record<string, { party: Role; signer?: Role }>> = {
  seal: { party: "issuer" },
  draw: { party: "issuer" },
  "give-back": { party: "issuer" },
  ...Object.fromEntries(rolesOfActs),
  pickup: { party: "holder" },
  entry: { party: "employer" },
};

const kindsFor = (caller: Caller, as: "party" | "signer"): string[] =>
  Object.entries(rolesOfKind).flatMap(([kind, role]) =>
    caller.roles.includes(role[as] ?? "admin") ? [kind] : [],
  );

/**
 * The status stands in the statement itself: the indexes over all parties' operations cover only
 * some statuses.
 */
const isStatus = (tx: Tx, status: OperationStatus) =>
  ({
    queued: tx`status = 'queued'`,
    "awaiting-signature": tx`status = 'awaiting-signature'`,
    signed: tx`status = 'signed'`,
    sent: tx`status = 'sent'`,
    done: tx`status = 'done'`,
    refused: tx`status = 'refused'`,
    failed: tx`status = 'failed'`,
  })[status];

export function createOperations(deps: { contracts: Contracts }) {
  const domainOf = (operation: Operation) =>
    operation.command.type === "registry"
      ? deps.contracts.domains.registry
      : deps.contracts.domains.ledger;

  function view(operation: Operation, caller: Caller) {
    const missing =
      operation.status === "awaiting-signature"
        ? operation.signers.filter((account) => !operation.signatures[account])
        : [];
    return {
      id: operation.id,
      kind: operation.kind,
      status: operation.status,
      createdAt: operation.created_at.toISOString(),
      updatedAt: operation.updated_at.toISOString(),
      ...(missing.length > 0 ? { awaiting: missing } : {}),
      // only accounts that have to sign get the text to sign
      ...(missing.includes(caller.account)
        ? { typedData: typedData(domainOf(operation), operation.message as Message) }
        : {}),
      ...(operation.problem && operation.status !== "done" ? { problem: operation.problem } : {}),
      ...(operation.result ? { result: operation.result } : {}),
    };
  }

  function visible(caller: Caller, { kind, party, signers }: Operation): boolean {
    if (caller.roles.includes("bureau")) return true;
    if (party !== caller.account && !signers.includes(caller.account)) return false;
    const as = party === caller.account ? "party" : "signer";
    return caller.roles.includes("admin") || kindsFor(caller, as).includes(kind);
  }

  async function get(tx: Tx, caller: Caller, id: string): Promise<Operation> {
    const operation = await find(tx, id);
    if (!operation || !visible(caller, operation))
      throw new Problem("not-found", `You have no operation ${id}`);
    return operation;
  }

  return {
    get,
    view,
    async list(
      tx: Tx,
      caller: Caller,
      filter: { status?: OperationStatus | undefined; before?: string | undefined; limit: number },
    ) {
      const before = filter.before === undefined ? tx`true` : tx`id < ${filter.before}`;
      const part = (condition: Query<unknown>, fits = tx`true`) =>
        tx`select id, (${fits}) as fits from operation_now where ${condition} and ${before}`;
      const all = caller.roles.includes("bureau");
      const admin = caller.roles.includes("admin");
      const ofKinds = (as: "party" | "signer") =>
        admin ? tx`true` : tx`kind = any(${kindsFor(caller, as)}::text[])`;
      const parts =
        all && filter.status === undefined
          ? [part(tx`true`)]
          : (filter.status === undefined ? operationStatuses : [filter.status]).flatMap((status) =>
              all
                ? [part(isStatus(tx, status))]
                : [
                    part(tx`party = ${caller.account} and status = ${status}`, ofKinds("party")),
                    part(
                      tx`signers[2] = ${caller.account} and status = ${status}`,
                      tx`party <> ${caller.account} and ${ofKinds("signer")}`,
                    ),
                  ],
            );
      const { ids, next } = await pageOfIds(tx, {
        parts,
        limit: filter.limit,
        looks: all || admin ? undefined : LOOK / 4,
      });
      const rows = await tx<
        Operation[]
      >`select * from operation_now where id = any(${ids}::uuid[])`;
      return { items: inOrder(ids, rows).map((row) => view(row, caller)), next };
    },
    /**
     * Takes the signature of a party that keeps its own key: 64 or 65 bytes in 0x-hex over the
     * operation's typed data.
     */
    async sign(tx: Tx, caller: Caller, id: string, signature: string): Promise<Operation> {
      await tx`select 1 from operation_now where id = ${id} for update`;
      const operation = await get(tx, caller, id);
      const waits =
        operation.status === "awaiting-signature" &&
        operation.signers.includes(caller.account) &&
        !operation.signatures[caller.account];
      if (!waits)
        throw new Problem(
          "signature-not-wanted",
          `Operation ${id} does not wait for a signature of this account`,
        );
      const compact = compactSignature(signature);
      if (
        !compact ||
        recoverSigner(operation.digest as string, signature) !== (await keyOf(tx, caller.account))
      ) {
        throw new Problem(
          "signature-invalid",
          "The signature is not by the account's present key over this operation's typed data",
          {
            violations: [
              {
                field: "/signature",
                rule: "signature-by-account-key",
                detail:
                  "Sign the typedData of the operation (eth_signTypedData_v4); s in the lower half",
              },
            ],
          },
        );
      }
      const signatures = { ...operation.signatures, [caller.account]: compact };
      const complete = operation.signers.every((signer) => signatures[signer]);
      await putSignatures(tx, id, signatures, complete);
      return get(tx, caller, id);
    },
  };
}
