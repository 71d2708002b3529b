/**
 * Drafts: a document that is to be issued, with the parties that it names looked up. An invoice is
 * refused here for who its parties are and for what it says about them. Quota and number come later
 * (desk.ts).
 */
import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { fieldIn } from "@onepiao/protocol/formats/fields.ts";
import { type ReadInvoice, requireIssuable } from "@onepiao/protocol/formats/read.ts";
import { checksummed } from "@onepiao/protocol/ledger/messages.ts";
import { brokenIssueTime, chinaDay, type TimeBounds } from "@onepiao/protocol/values/dates.ts";
import { parseMoney } from "@onepiao/protocol/values/money.ts";
import { nameOn } from "@onepiao/protocol/values/names.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { normaliseTaxId } from "@onepiao/protocol/values/tax-id.ts";
import { ZERO_ACCOUNT } from "../../chain/contracts.ts";
import type { Tx } from "../../db/db.ts";
import type { Caller } from "../../kernel/api.ts";
import type { Accounts } from "../parties/accounts.ts";
import type { Buyers } from "../parties/buyers.ts";
import { checkNames } from "../parties/names.ts";
import type { Taxpayer, Taxpayers } from "../parties/taxpayers.ts";
import type { Invoices } from "./invoices.ts";
import type { Reason } from "./sheets.ts";

/** Gross that a batch has had accepted so far, in cents: an estimate of what will still come. */
export type Course = { gross: bigint };

/**
 * One invoice to be issued. `holder`: account of the first holder, which the document does not
 * name; `reason`: for a red letter; `course`: of its batch.
 */
export type IssueRequest = {
  caller: Pick<Caller, "account">;
  read: ReadInvoice;
  holder: string | undefined;
  reason?: Reason | undefined;
  course?: Course;
};

/** An invoice whose parties are known. */
export type Draft = {
  document: InvoiceDocument;
  issuer: Taxpayer;
  buyer: Taxpayer | undefined;
  holder: string | undefined;
  gross: bigint;
  /** Keyed hash of the original's id. */
  source: Buffer | null;
  sourceBytes: Uint8Array | undefined;
  course: Course | undefined;
};

/** Taxpayers by account and by tax id. */
type Parties = Awaited<ReturnType<Taxpayers["among"]>>;
export type Drafts = ReturnType<typeof createDrafts>;

type Deps = {
  accounts: Accounts;
  taxpayers: Taxpayers;
  invoices: Invoices;
  bounds: TimeBounds;
  /** Enrols buyers; undefined at a gateway that cannot. */
  buyers: Buyers | undefined;
};

export function createDrafts({ accounts, taxpayers, invoices, bounds, buyers }: Deps) {
  /** The refusal of a buyer that is not enrolled. Where it can be enrolled, that is the remedy. */
  function buyerUnknown(
    { buyer: { taxId = "", name }, ...document }: InvoiceDocument,
    seller: Taxpayer,
  ) {
    const field = (member: string) => fieldIn(document, `/buyer${member}`);
    const remedy = async (enrolling: Buyers) => {
      try {
        await enrolling.bring({ taxId, name }, seller.account);
      } catch (cause) {
        if (!(cause instanceof Problem)) throw cause;
        const violations = cause.violations.map((each) => ({ ...each, field: field(each.field) }));
        throw new Problem(cause.code, cause.message, { extra: cause.extra, violations, cause });
      }
    };
    return new Problem(
      "buyer-not-enrolled",
      "No enrolled taxpayer has the buyer's tax id, so nobody could reimburse this invoice",
      {
        violations: [
          {
            field: field("/taxId"),
            rule: "buyer-enrolled",
            detail: "Let the bureau enrol it, or leave the tax id out for an untitled invoice",
          },
        ],
        ...(buyers ? { remedy: () => remedy(buyers) } : {}),
      },
    );
  }

  /**
   * Throws the refusal of the document or its holder. `holders`: the accounts that the network
   * knows; undefined for an invoice whose holder was checked when its red letter was opened.
   */
  function draftOf(
    { caller, read, holder, course }: Omit<IssueRequest, "reason">,
    parties: Parties,
    holders: ReadonlySet<string> | undefined,
  ): Draft {
    const { document, source } = read;
    requireIssuable(read);
    const byTaxId = (taxId: string) => parties.byTaxId.get(normaliseTaxId(taxId));
    const field = (member: string) => fieldIn(document, member);
    const seller = byTaxId(document.seller.taxId ?? "");
    if (!seller || seller.account !== caller.account) {
      throw new Problem(
        "seller-not-caller",
        "The seller's tax id is not that of the API key's taxpayer",
        {
          violations: [
            {
              field: field("/seller/taxId"),
              rule: "seller-is-caller",
              detail: "An issuer issues its own invoices",
            },
          ],
        },
      );
    }
    if (seller.standing !== "active" || !seller.capabilities.includes("issuer"))
      throw new Problem("issuer-not-active", "The issuer is suspended or not enrolled as one");
    if (seller.currency !== document.currency) {
      throw new Problem(
        "currency-not-accounted",
        `The issuer accounts and draws quota in ${seller.currency}`,
        {
          violations: [
            {
              field: field("/currency"),
              rule: "currency-of-issuer",
              detail: `Expected ${seller.currency}`,
            },
          ],
        },
      );
    }
    const buyer = document.buyer.taxId === undefined ? undefined : byTaxId(document.buyer.taxId);
    const named = holder === undefined ? undefined : checksummed(holder);
    if (named === ZERO_ACCOUNT) {
      const detail = "Nobody can sign for the zero address";
      throw new Problem("zero-address", detail, {
        violations: [{ field: "/holder", rule: "not-zero", detail }],
      });
    }
    if (named !== undefined && holders?.has(named) === false)
      throw accounts.unknownHolder("/holder");
    // last, because it may enrol a company
    if (document.buyer.taxId !== undefined && !buyer) throw buyerUnknown(document, seller);
    return {
      document,
      issuer: seller,
      buyer,
      holder: named,
      gross: parseMoney(document.totals.gross),
      source:
        document.sourceId === undefined
          ? null
          : invoices.sourceBlind(seller.taxId, document.sourceId),
      sourceBytes: source?.bytes,
      course,
    };
  }

  return {
    /** The parties that these documents name. */
    async partiesOf(tx: Tx, documents: readonly InvoiceDocument[]): Promise<Parties> {
      const taxIds = documents.flatMap(({ seller, buyer }) => [
        ...(seller.taxId === undefined ? [] : [seller.taxId]),
        ...(buyer.taxId === undefined ? [] : [buyer.taxId]),
      ]);
      return taxpayers.among(tx, [], [...new Set(taxIds)]);
    },

    /** The accounts among the named first holders that the network knows. */
    holdersOf: (tx: Tx, requests: readonly IssueRequest[]): Promise<ReadonlySet<string>> =>
      accounts.known(
        tx,
        requests.flatMap(({ holder }) => (holder === undefined ? [] : [checksummed(holder)])),
      ),

    draftOf,

    /**
     * Checks the time and the names of an invoice that is issued now; one that was accepted earlier
     * was checked then. Throws invalid-document, name-not-enrolled.
     */
    checkWords({ document, issuer, buyer }: Draft, now: Date): void {
      const broken = brokenIssueTime(document.issuedAt, now, bounds);
      if (broken) {
        const field = fieldIn(document, "/issuedAt");
        throw new Problem("invalid-document", `${field}: ${broken.detail}`, {
          violations: [{ field, ...broken }],
        });
      }
      const day = chinaDay(new Date(document.issuedAt));
      checkNames(document, {
        seller: nameOn(issuer.names, day),
        ...(buyer ? { buyer: nameOn(buyer.names, day) } : {}),
      });
    },
  };
}
