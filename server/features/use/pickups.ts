/**
 * Pickup (取票): an untitled invoice without a named holder is sealed to a one-time key that follows
 * from its number. Its issuer hands the key's secret to its customer; the first to use the secret
 * takes the invoice over, once.
 *
 * | the invoice | when | answer to the secret |
 * | --- | --- | --- |
 * | has no pickup | it is titled, a red letter, or was issued to a holder | not-found: it has no secret |
 * | waits | the pickup key's account holds it | invoice-not-sealed until it is sealed; then it is taken over |
 * | is taken over | another account holds it | already-taken-over |
 * | is reversed | the issuer took it back | wrong-state |
 *
 * Taking over is a Transfer, signed by the pickup key and by the taker. Between several at once the
 * chain decides: the acts go one after the other, and the first that goes through leaves the others
 * without the holder's signature.
 *
 * Invariants: a wrong secret and an unknown number get the same answer, after the same work, so
 * nobody learns by asking which invoices wait. The secret is stored nowhere in the clear: it is
 * derived, and enters the keystore at its first use.
 */
import { timingSafeEqual } from "node:crypto";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { busy, enqueue } from "../../acts/operations.ts";
import { ZERO_REF } from "../../chain/contracts.ts";
import type { Tx } from "../../db/db.ts";
import type { Caller } from "../../kernel/api.ts";
import { accountOfSecret, type Keystore } from "../../keys/keystore.ts";
import type { InvoiceRow, Invoices } from "../invoices/invoices.ts";
import type { Taxpayers } from "../parties/taxpayers.ts";

export type Pickups = ReturnType<typeof createPickups>;

const bytesOf = (secret: string): Buffer => Buffer.from(secret.slice(2), "hex");

export function createPickups({
  invoices,
  taxpayers,
  keys,
}: {
  invoices: Invoices;
  taxpayers: Taxpayers;
  keys: Keystore;
}) {
  /** Throws unless the invoice, which has a pickup, still waits for it. */
  function checkWaiting({ number, holder, leaf_holder, status }: InvoiceRow, caller: Caller): void {
    const extra = { original: { number, state: status } };
    if (holder !== leaf_holder) {
      throw new Problem(
        "already-taken-over",
        holder === caller.account
          ? `You hold invoice ${number} already`
          : `Invoice ${number} has a holder`,
        { extra },
      );
    }
    if (status === "reversed")
      throw new Problem("wrong-state", "The issuer has reversed the invoice", { extra });
  }

  return {
    /** The same secret, if the caller may have it from `secretOf`; undefined otherwise. */
    async waitingSecret(tx: Tx, caller: Caller, invoice: InvoiceRow): Promise<string | undefined> {
      if (
        !caller.roles.includes("issuer") ||
        invoice.holder !== invoice.leaf_holder ||
        invoice.status === "reversed"
      )
        return undefined;
      const self = await taxpayers.byAccount(tx, caller.account);
      const secret = invoices.pickupSecret(invoice.number);
      return invoice.issuer === self?.index && invoice.leaf_holder === accountOfSecret(secret)
        ? secret
        : undefined;
    },

    /**
     * The secret of an invoice that waits, for its issuer. Throws not-found, forbidden,
     * already-taken-over, wrong-state.
     */
    async secretOf(
      tx: Tx,
      caller: Caller,
      number: string,
    ): Promise<{ invoice: InvoiceRow; secret: string }> {
      const invoice = await invoices.visible(tx, caller, number);
      const self = await taxpayers.byAccount(tx, caller.account);
      if (invoice.issuer !== self?.index)
        throw new Problem("forbidden", "Only the issuer hands a pickup out");
      const secret = invoices.pickupSecret(number);
      if (invoice.leaf_holder !== accountOfSecret(secret))
        throw new Problem(
          "not-found",
          `Invoice ${number} was issued to its holder: it has no pickup`,
        );
      checkWaiting(invoice, caller);
      return { invoice, secret };
    },

    /**
     * Begins to take an invoice over for the caller; returns the operation. `secret`: 32 bytes in
     * 0x-hex. Throws not-found (also for a wrong secret), invoice-not-sealed, already-taken-over,
     * wrong-state, invoice-busy.
     */
    async take(
      tx: Tx,
      caller: Caller,
      { number, secret }: { number: string; secret: string },
    ): Promise<string> {
      const derived = invoices.pickupSecret(number);
      const account = accountOfSecret(derived);
      const known = timingSafeEqual(bytesOf(secret), bytesOf(derived));
      const row = await invoices.find(tx, number);
      if (!known || row?.leaf_holder !== account)
        throw new Problem("not-found", "There is no invoice with this number and secret");
      // until `tx` ends no red letter for the invoice is accepted, and no second pickup by this
      // account
      await tx`select 1 from accepted_now where number = ${number} for update`;
      const invoice = (await invoices.find(tx, number)) as InvoiceRow;
      checkWaiting(invoice, caller);
      if (invoice.status === "accepted")
        throw new Problem("invoice-not-sealed", "The invoice is not sealed yet");
      if (await busy(tx, [number], caller.account))
        throw new Problem("invoice-busy", "You are taking this invoice over already");
      await keys.take(tx, derived);
      return enqueue(tx, {
        kind: "pickup",
        party: caller.account,
        command: {
          type: "act",
          kind: "Transfer",
          to: caller.account,
          ref: ZERO_REF,
          invoices: [number],
        },
        signers: [account, caller.account],
      });
    },
  };
}
