/**
 * Signing: the typed message of each operation, and the signatures of the keys in the keystore.
 * Then an operation is signed, or waits for the signatures of keys that are kept elsewhere.
 */
import { opensExternal } from "@onepiao/protocol/ledger/acts.ts";
import { isExternal } from "@onepiao/protocol/ledger/external.ts";
import {
  actMessage,
  type CompactSignature,
  digest,
  type Message,
} from "@onepiao/protocol/ledger/messages.ts";
import type { Contracts } from "../chain/contracts.ts";
import { announce, type Tx } from "../db/db.ts";
import type { RowOf } from "../db/tables.ts";
import type { Log } from "../kernel/log.ts";
import type { Keystore } from "../keys/keystore.ts";
import { keysOf } from "../mirror/registry.ts";
import { byNumber, type Command, type Operation } from "./operations.ts";

/** An invoice in the mirror; `claim`: the reference of its present claim. */
type Standing = { number: string; version: number; claim: string | null };
type Lot = { first: string; segment: string; issuer: number; count: number; root: string };
type Signed = {
  id: string;
  status: "signed" | "awaiting-signature";
  message: Message;
  digest: string;
  signatures: Record<string, CompactSignature>;
};

const sealMessage = ({ issuer, segment, first, count, root }: Lot): Message => ({
  type: "Seal",
  value: { issuer, segment, first, count, root },
});

function registryMessage(
  command: Extract<Command, { type: "registry" }>,
  counter: string,
): Message {
  if (command.message === "RotateKey")
    return { type: "RotateKey", value: { account: command.account, key: command.key, counter } };
  return {
    type: command.message,
    value: { index: command.index, period: command.period, amount: command.amount, counter },
  };
}

/** Undefined if an invoice is not here yet; null if the claim that it decides on is over. */
function messageOfAct(
  command: Extract<Command, { type: "act" }>,
  standingOf: ReadonlyMap<string, Standing>,
): Message | null | undefined {
  const invoices: { id: string; version: number }[] = [];
  for (const id of [...command.invoices].sort(byNumber)) {
    // an invoice issued elsewhere has no row before its first admission, at any gateway
    const standing = standingOf.get(id);
    if (standing && command.claim !== undefined && standing.claim !== command.claim) return null;
    const version =
      standing?.version ?? (opensExternal(command.kind) && isExternal(id) ? 0 : undefined);
    if (version === undefined) return undefined;
    invoices.push({ id, version });
  }
  return actMessage(command.kind, { ...command, invoices });
}

/**
 * The message of each operation, by its id. Missing: some of its invoices or lots are not here.
 * Null: the claim that it decides on is over. Claim and version are read together, because the
 * follower may commit between two reads, and a signature on a later version would decide on a later
 * claim.
 */
async function messagesOf(
  tx: Tx,
  operations: readonly Operation[],
): Promise<Map<string, Message | null>> {
  const commands = operations.map((operation) => operation.command);
  const firsts = commands.flatMap((command) => (command.type === "seal" ? [command.first] : []));
  const numbers = commands.flatMap((command) => (command.type === "act" ? command.invoices : []));
  const parties = operations
    .filter((operation) => operation.command.type === "registry")
    .map((operation) => operation.party);
  const lots =
    firsts.length === 0
      ? []
      : await tx<Lot[]>`
          select first, segment, issuer, count, root from sealings
            where first = any(${firsts}::numeric[])`;
  const states =
    numbers.length === 0
      ? []
      : await tx<Standing[]>`
          select number, version, case when state = 'claimed' then claim_ref end as claim
            from record_now where number = any(${numbers}::numeric[])`;
  const accounts =
    parties.length === 0
      ? []
      : await tx<
          RowOf<"account_now", "account" | "counter">[]
        >`select account, counter from account_now where account = any(${parties}::text[])`;
  const lotOf = new Map(lots.map((lot) => [lot.first, lot]));
  const standingOf = new Map(states.map((row) => [row.number, row]));
  const counterOf = new Map(accounts.map((row) => [row.account, row.counter]));
  const messages = new Map<string, Message | null>();
  for (const { id, party, command } of operations) {
    const lot = command.type === "seal" ? lotOf.get(command.first) : undefined;
    const message =
      command.type === "seal"
        ? lot && sealMessage(lot)
        : command.type === "registry"
          ? registryMessage(command, String(counterOf.get(party) ?? 0n))
          : command.type === "act"
            ? messageOfAct(command, standingOf)
            : undefined;
    if (message !== undefined) messages.set(id, message);
  }
  return messages;
}

export type Signing = ReturnType<typeof createSigning>;

type Deps = { contracts: Contracts; keys: Keystore; log: Log };

export function createSigning({ contracts, keys, log }: Deps) {
  const domainOf = (command: Command) =>
    command.type === "registry" ? contracts.domains.registry : contracts.domains.ledger;

  async function signatureOf(
    operation: Operation,
    message: Message,
    keyOf: ReadonlyMap<string, string>,
  ): Promise<Signed> {
    const hash = digest(domainOf(operation.command), message);
    const signatures: Record<string, CompactSignature> = {};
    for (const signer of new Set(operation.signers)) {
      const signature = await keys.sign(keyOf.get(signer) ?? signer, hash);
      if (signature) signatures[signer] = signature;
    }
    const complete = operation.signers.every((signer) => signatures[signer]);
    return {
      id: operation.id,
      status: complete ? "signed" : "awaiting-signature",
      message,
      digest: hash,
      signatures,
    };
  }

  return {
    /**
     * Signs these operations with the keys in the keystore. Each step is one statement for all of
     * them. An operation that cannot be signed waits for 5 seconds, and the others go on.
     */
    async sign(tx: Tx, operations: readonly Operation[]): Promise<void> {
      const messages = await messagesOf(tx, operations);
      const keyOf = await keysOf(tx, [
        ...new Set(operations.flatMap((operation) => operation.signers)),
      ]);
      const signed: Signed[] = [];
      const late: string[] = [];
      for (const operation of operations) {
        try {
          const message = messages.get(operation.id);
          // its claim has ended since `endDecided`: the next turn ends it
          if (message === null) continue;
          if (!message) throw new Error("an invoice or a lot of it is not here");
          signed.push(await signatureOf(operation, message, keyOf));
        } catch (cause) {
          log.error(
            {
              operation: operation.id,
              error: cause instanceof Error ? cause.message : String(cause),
            },
            "an operation cannot be prepared",
          );
          late.push(operation.id);
        }
      }
      if (late.length > 0)
        await tx`
          update operations set not_before = now() + interval '5 seconds', tries = tries + 1
            where id = any(${late}::uuid[])`;
      if (signed.length === 0) return;
      await tx`
        update operations o set status = s.status, message = s.message::jsonb, digest = s.digest,
          signatures = s.signatures::jsonb, updated_at = now()
        from unnest(${signed.map((operation) => operation.id)}::uuid[],
          ${signed.map((operation) => operation.status)}::text[],
            ${signed.map((operation) => JSON.stringify(operation.message))}::text[],
                    ${signed.map((operation) => operation.digest)}::text[],
                      ${signed.map((operation) => JSON.stringify(operation.signatures))}::text[])
          as s (id, status, message, digest, signatures)
        where o.id = s.id`;
      await announce(tx, "operation");
    },
  };
}
