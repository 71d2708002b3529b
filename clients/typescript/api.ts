/**
 * The routes and the codes of problems, as types. `node scripts/docs.ts` writes this file from
 * the gateway's routes.
 */
export type Accepted = { operation: OperationRef };
export type Account = string;
export type AccountProof = { account: Account; proof?: string | undefined; typedData: unknown };
export type Allowance = {
  charge: boolean;
  amount: Money;
  base?: Money | undefined;
  percent?: string | undefined;
  reason?: string | undefined;
  reasonCode?: string | undefined;
  taxRate?: TaxRate | undefined;
  taxCategory?: TaxCategory | undefined;
};
export type Amounts = { net: string; tax: string; gross: string };
export type BatchResult =
  | {
      line: number;
      status: 202;
      number: InvoiceNumber;
      pickup?: Pickup | undefined;
      derived?:
        | {
            lines: { amount: string; tax: string; unitPrice?: string | undefined }[];
            totals: { net: string; tax: string; gross: string };
          }
        | undefined;
      unavailable?:
        | { mediaType: string; errors: { field: string; rule: string; detail: string }[] }[]
        | undefined;
      replayed?: true | undefined;
    }
  | {
      line: number;
      status: 202;
      redLetter: { id: string; status?: string | undefined; href: string };
      derived?:
        | {
            lines: { amount: string; tax: string; unitPrice?: string | undefined }[];
            totals: { net: string; tax: string; gross: string };
          }
        | undefined;
      replayed?: true | undefined;
    }
  | { line: number; problem: { code: string; [member: string]: unknown } }
  | {
      done: boolean;
      accepted: number;
      replayed: number;
      refused: number;
      problem?: { code: string; [member: string]: unknown } | undefined;
    };
export type Bundle = {
  format: "onepiao-bundle/1";
  network: { name: string; chainId: number; registry: Account; ledger: Account };
  number: string;
  parts: Partial<
    Record<
      | "kind"
      | "date"
      | "currency"
      | "seller"
      | "sellerDetails"
      | "buyer"
      | "buyerDetails"
      | "lines"
      | "total"
      | "tax"
      | "remark"
      | "passengers"
      | "terms"
      | "origin"
      | "reverses",
      { salt: string; value?: unknown | undefined }
    >
  >;
  digests: string[];
  leaf: { content: string; holder: Account; buyer: number };
  lot: {
    first: string;
    count: number;
    issuer: number;
    time: number;
    root: string;
    segment: string;
  };
  path: string[];
  seal: { r: string; vs: string };
  parties: {
    index: number;
    account: Account;
    taxId: string;
    name: string;
    salt: string;
    named?: { name: string; from: string; signature: { r: string; vs: string } } | undefined;
  }[];
};
export type Buyer = {
  taxId?: TaxId | undefined;
  name: string;
  tradingName?: string | undefined;
  address?: string | undefined;
  country?: string | undefined;
  phone?: string | undefined;
  bankName?: string | undefined;
  bankAccount?: string | undefined;
  legalForm?: string | undefined;
  endpoint?: { id: string; scheme?: string | undefined } | undefined;
  identifiers?:
    | {
        id: string;
        scheme?: string | undefined;
        registration?: "vat" | "tax" | "legal" | undefined;
      }[]
    | undefined;
  contact?:
    | { name?: string | undefined; phone?: string | undefined; email?: string | undefined }
    | undefined;
};
export type ChainStats = {
  up: boolean;
  head?: { block: number; at: string; ageSeconds: number } | undefined;
  blockSeconds?: number | undefined;
  cursor?: { block: number; at: string } | undefined;
  lagBlocks?: number | undefined;
  lagSeconds?: number | undefined;
  counted?: { block: number; at: string } | undefined;
  lots: number;
  invoices: number;
  undocumentedLots: number;
  recent: { first: string; count: number; issuer: number; block: number; at: string }[];
};
export type Claim = {
  id: string;
  status:
    | "submitted"
    | "refused"
    | "claimed"
    | "reimbursed"
    | "rejected"
    | "withdrawn"
    | "reversed";
  holder: Account;
  employer: { taxId: string; name: string };
  note?: string | undefined;
  reason?: string | undefined;
  createdAt: string;
  amounts: { currency: string; gross: string; payable: string }[];
  invoices: {
    number: string;
    status: string;
    external?: true | undefined;
    id?: string | undefined;
    left?: Amounts | undefined;
  }[];
};
export type Company = { taxId: string; name: string };
export type DepositedDocument = {
  number: InvoiceNumber;
  salt: string;
  key: string;
  document: { aad: string; iv: string; ciphertext: string; tag: string };
  holder: Account;
  buyer: number;
  reverses?: InvoiceNumber | undefined;
  acceptedAt: string;
};
export type DirectoryResult =
  | { line: number; problem: { code: string; [member: string]: unknown } }
  | {
      done: boolean;
      stored: number;
      changed: number;
      refused: number;
      problem?: { code: string; [member: string]: unknown } | undefined;
    };
export type DirectoryRow = {
  taxId: string;
  name?: string | undefined;
  removed?: boolean | undefined;
};
export type Element = { name: string; text?: string | undefined; elements?: __schema0 | undefined };
export type EntryAct = {
  position: string;
  invoice: string;
  mark: "02" | "03" | "06";
  at: string;
  current: boolean;
  proof: { act: string; tx: string; block: number };
  period?: string | undefined;
  voucher?: string | undefined;
};
export type EntryDone = { mark: "02" | "03" | "06"; invoices: EntryAct[] };
export type Event = EventPlace & EventData;
export type EventData =
  | { type: "invoice.issued"; data: { lot: string } }
  | {
      type: "external.conflict";
      data: {
        differs: ("seller" | "date" | "total")[];
        by?: Account | undefined;
        employer?: number | undefined;
        claim?: string | undefined;
      };
    }
  | {
      type: "external.near-duplicate";
      data: {
        same: ("seller" | "buyer")[];
        other: InvoiceNumber | ExternalId;
        by?: Account | undefined;
        employer?: number | undefined;
        claim?: string | undefined;
      };
    }
  | {
      type: "external.credited";
      data: {
        effect: "reduces" | "exceeds" | "differs" | "several" | "other-employer";
        claim: string;
        overpaid: boolean;
        credit?: string | undefined;
        employer?: number | undefined;
        recorder?: number | undefined;
      };
    }
  | { type: "invoice.imported"; data: { lot: string; state: string } }
  | {
      type: "transfer.offered";
      data: { transfer: string; from: Account; to: Account; status: string };
    }
  | {
      type: "transfer.ended";
      data: { transfer: string; from: Account; to: Account; status: string };
    }
  | { type: "invoice.transferred"; data: { from: Account; to: Account } }
  | { type: "claim.created"; data: { claim?: string | undefined; ref: string; employer: number } }
  | { type: "claim.rejected"; data: { claim?: string | undefined; ref: string; employer: number } }
  | { type: "claim.withdrawn"; data: { claim?: string | undefined; ref: string; employer: number } }
  | {
      type: "invoice.reimbursed";
      data: { claim?: string | undefined; ref: string; employer: number };
    }
  | { type: "invoice.reversed"; data: { redLetter?: string | undefined; ref: string } }
  | { type: "invoice.adjusted"; data: { redLetter?: string | undefined; ref: string } }
  | { type: "red-letter.changed"; data: { redLetter: string; status: string } }
  | { type: "red-letter.issued"; data: { redLetter: string; issued: string } }
  | { type: "invoice.entered"; data: { mark: string; act: string; employer: number } }
  | {
      type: "reimbursement.refused";
      data: {
        reason: string;
        attempt: string;
        by?: Account | undefined;
        employer?: number | undefined;
        act?: string | undefined;
      };
    }
  | { type: "taxpayer.enrolled"; data: { taxpayer: number; account: Account } }
  | { type: "taxpayer.suspended"; data: { taxpayer: number; standing: string } }
  | { type: "taxpayer.reinstated"; data: { taxpayer: number; standing: string } }
  | { type: "audit.alarm"; data: { kind: string; issuer: number; subject: string } }
  | { type: "quota.set"; data: { taxpayer: number; period: number; granted: string } }
  | {
      type: "quota.drawn";
      data: { taxpayer: number; period: number; amount: string; drawn: string };
    }
  | {
      type: "quota.given-back";
      data: { taxpayer: number; period: number; amount: string; drawn: string };
    }
  | { type: "segment.allotted"; data: { taxpayer: number; first: string; length: string } }
  | { type: "key.rotated"; data: { account: Account; key: Account } }
  | { type: "ledger.closed"; data: Record<never, never> }
  | { type: "ledger.opened"; data: Record<never, never> };
export type EventPlace = {
  version: 1;
  id: string;
  position: string;
  at: string;
  number?: InvoiceNumber | undefined;
  external?: ExternalId | undefined;
  tx?: string | undefined;
  block: number;
  logIndex: number;
};
export type ExternalCreditNote = {
  credit?: string | undefined;
  id: ExternalId;
  number: string;
  format: "json" | "shudian" | "ubl" | "cii";
  employer: { taxId: string; name: string };
  recordedAt?: string | undefined;
  seller: string;
  buyer: string;
  issuedOn: string;
  currency: string;
  amount: string;
  originals: { number: string; date?: string | undefined }[];
  effects: {
    id: ExternalId;
    number: string;
    effect: "reduces" | "exceeds" | "differs" | "several" | "other-employer";
    taken: { gross: string; payable: string };
    differs?: ("seller" | "date" | "total")[] | undefined;
    overpaid: boolean;
    recoveredAt?: string | undefined;
    claim: {
      id: string;
      status:
        | "submitted"
        | "refused"
        | "claimed"
        | "reimbursed"
        | "rejected"
        | "withdrawn"
        | "reversed";
      href: string;
    };
    employer: { taxId: string; name: string };
  }[];
  unread?: string[] | undefined;
  notes?: { field: string; rule: string; detail: string }[] | undefined;
};
export type ExternalCreditOnInvoice = {
  number: string;
  amount: string;
  effect: "reduces" | "exceeds" | "differs" | "several" | "other-employer";
  taken: { gross: string; payable: string };
  differs?: ("seller" | "date" | "total")[] | undefined;
  overpaid: boolean;
  recoveredAt?: string | undefined;
  credit?: string | undefined;
};
export type ExternalFinding = {
  finding: string;
  kind: "conflict" | "near-duplicate";
  at: string;
  id: ExternalId;
  number: string;
  differs: ("seller" | "date" | "total")[];
  same?: ("seller" | "buyer")[] | undefined;
  employer: { taxId: string; name: string };
  stated: {
    seller: { taxId?: string | undefined; name: string };
    days: string[];
    currency: string;
    gross: string;
  };
  claim?: { id: string; href: string } | undefined;
  registered?:
    | {
        seller: { taxId?: string | undefined; name: string };
        days: string[];
        currency: string;
        gross: string;
        invoice: InvoiceNumber | ExternalId;
        number: string;
        claim?: { id: string; href: string } | undefined;
        employer?: { taxId: string; name: string } | undefined;
      }
    | undefined;
};
export type ExternalId = string;
export type ExternalInvoice = {
  id: ExternalId;
  number: string;
  format: "json" | "shudian" | "ubl" | "cii";
  claim: { id: string; status: string; href: string };
  holder: Account;
  employer: { taxId: string; name: string };
  registeredAt: string;
  seller: string;
  buyer: string;
  currency: string;
  gross: string;
  payable: string;
  creditNotes?: ExternalCreditOnInvoice[] | undefined;
  proven: (
    | "format"
    | "arithmetic"
    | "tax-id-form"
    | "seller-check-digit"
    | "title"
    | "once-in-this-network"
    | "issued"
    | "seller-signature"
    | "unaltered"
    | "not-reversed"
    | "unused-outside"
    | "not-issued-here-by-another-gateway"
  )[];
  notProven: (
    | "format"
    | "arithmetic"
    | "tax-id-form"
    | "seller-check-digit"
    | "title"
    | "once-in-this-network"
    | "issued"
    | "seller-signature"
    | "unaltered"
    | "not-reversed"
    | "unused-outside"
    | "not-issued-here-by-another-gateway"
  )[];
  document: InvoiceDocument;
};
export type ExternalInvoiceSummary = {
  id: ExternalId;
  number: string;
  format: "json" | "shudian" | "ubl" | "cii";
  claim: { id: string; status: string; href: string };
  holder: Account;
  employer: { taxId: string; name: string };
  registeredAt: string;
  seller: string;
  buyer: string;
  currency: string;
  gross: string;
  payable: string;
  creditNotes?: ExternalCreditOnInvoice[] | undefined;
  proven: (
    | "format"
    | "arithmetic"
    | "tax-id-form"
    | "seller-check-digit"
    | "title"
    | "once-in-this-network"
    | "issued"
    | "seller-signature"
    | "unaltered"
    | "not-reversed"
    | "unused-outside"
    | "not-issued-here-by-another-gateway"
  )[];
  notProven: (
    | "format"
    | "arithmetic"
    | "tax-id-form"
    | "seller-check-digit"
    | "title"
    | "once-in-this-network"
    | "issued"
    | "seller-signature"
    | "unaltered"
    | "not-reversed"
    | "unused-outside"
    | "not-issued-here-by-another-gateway"
  )[];
};
export type ExternalLook = {
  number: string;
  ids: ExternalId[];
  state: "free" | "registered" | "used" | "conflict" | "credited";
  original?:
    | {
        id: ExternalId;
        state: string;
        since: string;
        claim?: string | undefined;
        href?: string | undefined;
      }
    | undefined;
  differs?: ("seller" | "date" | "total")[] | undefined;
  creditNotes?: ExternalCreditOnInvoice[] | undefined;
  unread?: string[] | undefined;
  notes?: { field: string; rule: string; detail: string }[] | undefined;
  nearDuplicates?:
    | {
        invoice: InvoiceNumber | ExternalId;
        number: string;
        same: ("seller" | "buyer")[];
        claim?: { id: string; href: string } | undefined;
      }[]
    | undefined;
};
export type ExternalOverpaid = {
  overpaid: string;
  amount: string;
  currency: string;
  recoveredAt?: string | undefined;
  original: { id: ExternalId; number: string };
  creditNote: { credit: string; number: string; href: string };
  claim: { id: string; href: string };
  employer: { taxId: string; name: string };
};
export type FindingPlace = string;
export type FlowStats = {
  from: string;
  to: string;
  acts: {
    issued: number;
    transferred: number;
    claimed: number;
    withdrawn: number;
    reimbursed: number;
    rejected: number;
    reversed: number;
    "reversed-claimed": number;
    "reversed-reimbursed": number;
    adjusted: number;
    entered: number;
    admitted: number;
    refused: number;
  };
  now: { issued: number; claimed: number; reimbursed: number; reversed: number };
};
export type Grant = {
  id: string;
  number: InvoiceNumber;
  to: Account;
  by: Account;
  until?: string | undefined;
  createdAt: string;
};
export type Invoice = {
  number: InvoiceNumber;
  status: "accepted" | "issued" | "claimed" | "reimbursed" | "reversed";
  version: number;
  titled: boolean;
  holder: Account;
  entry?: "01" | "02" | "03" | "06" | undefined;
  reverses?: InvoiceNumber | undefined;
  acceptedAt: string;
  issuedAt?: string | undefined;
  seller: string;
  buyer: string;
  currency: string;
  gross: string;
  payable: string;
  links: { self: string; history: string };
  lot?: InvoiceNumber | undefined;
  left?: Amounts | undefined;
  redLetters?: { id: string; status: string; number?: InvoiceNumber | undefined }[] | undefined;
  replaces?: InvoiceNumber | undefined;
  replacedBy?: InvoiceNumber | undefined;
  document: InvoiceDocument;
};
export type InvoiceDocument = {
  kind: "ordinary" | "special";
  issuedAt: string;
  currency: string;
  seller: Seller;
  buyer: Buyer;
  lines: InvoiceLine[];
  allowances?: Allowance[] | undefined;
  taxBreakdown?:
    | {
        taxRate: TaxRate;
        taxCategory?: TaxCategory | undefined;
        taxable: Money;
        tax: Money;
        exemptionReason?: string | undefined;
        exemptionCode?: string | undefined;
      }[]
    | undefined;
  totals: {
    net: Money;
    tax: Money;
    gross: Money;
    lines?: Money | undefined;
    allowances?: Money | undefined;
    charges?: Money | undefined;
    prepaid?: Money | undefined;
    rounding?: Money | undefined;
    collected?: Money | undefined;
    payable?: Money | undefined;
    accounting?: { currency: string; tax: Money } | undefined;
    inWords?: string | undefined;
  };
  typeCode?: string | undefined;
  preceding?: { id: string; date?: string | undefined }[] | undefined;
  dueDate?: string | undefined;
  period?: { start?: string | undefined; end?: string | undefined } | undefined;
  paymentTerms?: string | undefined;
  remark?: string | undefined;
  drawer?: string | undefined;
  sourceId?: string | undefined;
  references?:
    | {
        buyer?: string | undefined;
        order?: string | undefined;
        salesOrder?: string | undefined;
        contract?: string | undefined;
        project?: string | undefined;
      }
    | undefined;
  attachments?:
    | {
        id: string;
        description?: string | undefined;
        filename?: string | undefined;
        mimeType?: string | undefined;
        bytes?: string | undefined;
        sha256?: string | undefined;
        uri?: string | undefined;
      }[]
    | undefined;
  taxBureau?:
    | { code?: string | undefined; name?: string | undefined; issuedAt?: string | undefined }
    | undefined;
  passengers?:
    | {
        traveller?: string | undefined;
        documentType?: string | undefined;
        idNumber?: string | undefined;
        date?: string | undefined;
        from?: string | undefined;
        to?: string | undefined;
        vehicle?: string | undefined;
        seat?: string | undefined;
        grade?: string | undefined;
      }[]
    | undefined;
  elements?: PlacedElement[] | undefined;
  reverses?: { number?: string | undefined; sourceId?: string | undefined } | undefined;
  source?: { format: "shudian" | "ubl" | "cii"; sha256: string } | undefined;
};
export type InvoiceLine = {
  name: string;
  id?: string | undefined;
  description?: string | undefined;
  spec?: string | undefined;
  unit?: string | undefined;
  quantity?: string | undefined;
  unitPrice?: string | undefined;
  baseQuantity?: string | undefined;
  amount: Money;
  taxRate: TaxRate;
  taxCategory?: TaxCategory | undefined;
  tax?: Money | undefined;
  taxCode?: string | undefined;
  discount?: true | undefined;
  note?: string | undefined;
  period?: { start?: string | undefined; end?: string | undefined } | undefined;
  allowances?: Allowance[] | undefined;
};
export type InvoiceNumber = string;
export type InvoicePlace = string;
export type InvoiceReceipt = {
  number: InvoiceNumber;
  status: "accepted" | "issued" | "claimed" | "reimbursed" | "reversed";
  links: { self: string; history: string };
  pickup?: Pickup | undefined;
  derived?:
    | {
        lines: { amount: string; tax: string; unitPrice?: string | undefined }[];
        totals: { net: string; tax: string; gross: string };
      }
    | undefined;
  unread?: string[] | undefined;
  unavailable?:
    | { mediaType: string; errors: { field: string; rule: string; detail: string }[] }[]
    | undefined;
};
export type InvoiceRequest = {
  kind: "ordinary" | "special";
  issuedAt: string;
  currency: string;
  seller: Seller;
  buyer: Buyer;
  lines: InvoiceRequestLine[];
  allowances?: Allowance[] | undefined;
  taxBreakdown?:
    | {
        taxRate: TaxRate;
        taxCategory?: TaxCategory | undefined;
        taxable: Money;
        tax: Money;
        exemptionReason?: string | undefined;
        exemptionCode?: string | undefined;
      }[]
    | undefined;
  totals?:
    | {
        net?: Money | undefined;
        tax?: Money | undefined;
        gross?: Money | undefined;
        lines?: Money | undefined;
        allowances?: Money | undefined;
        charges?: Money | undefined;
        prepaid?: Money | undefined;
        rounding?: Money | undefined;
        collected?: Money | undefined;
        payable?: Money | undefined;
        accounting?: { currency: string; tax: Money } | undefined;
        inWords?: string | undefined;
      }
    | undefined;
  typeCode?: string | undefined;
  preceding?: { id: string; date?: string | undefined }[] | undefined;
  dueDate?: string | undefined;
  period?: { start?: string | undefined; end?: string | undefined } | undefined;
  paymentTerms?: string | undefined;
  remark?: string | undefined;
  drawer?: string | undefined;
  sourceId?: string | undefined;
  references?:
    | {
        buyer?: string | undefined;
        order?: string | undefined;
        salesOrder?: string | undefined;
        contract?: string | undefined;
        project?: string | undefined;
      }
    | undefined;
  attachments?:
    | {
        id: string;
        description?: string | undefined;
        filename?: string | undefined;
        mimeType?: string | undefined;
        bytes?: string | undefined;
        sha256?: string | undefined;
        uri?: string | undefined;
      }[]
    | undefined;
  taxBureau?:
    | { code?: string | undefined; name?: string | undefined; issuedAt?: string | undefined }
    | undefined;
  passengers?:
    | {
        traveller?: string | undefined;
        documentType?: string | undefined;
        idNumber?: string | undefined;
        date?: string | undefined;
        from?: string | undefined;
        to?: string | undefined;
        vehicle?: string | undefined;
        seat?: string | undefined;
        grade?: string | undefined;
      }[]
    | undefined;
  elements?: PlacedElement[] | undefined;
  reverses?: { number?: string | undefined; sourceId?: string | undefined } | undefined;
  priceIncludesTax?: boolean | undefined;
  code?: string | undefined;
  holder?: Account | undefined;
};
export type InvoiceRequestLine = {
  name: string;
  id?: string | undefined;
  description?: string | undefined;
  spec?: string | undefined;
  unit?: string | undefined;
  quantity?: string | undefined;
  unitPrice?: string | undefined;
  baseQuantity?: string | undefined;
  amount?: Money | undefined;
  taxRate: TaxRate;
  taxCategory?: TaxCategory | undefined;
  tax?: Money | undefined;
  taxCode?: string | undefined;
  discount?: true | undefined;
  note?: string | undefined;
  period?: { start?: string | undefined; end?: string | undefined } | undefined;
  allowances?: Allowance[] | undefined;
  grossAmount?: Money | undefined;
  grossUnitPrice?: string | undefined;
  priceIncludesTax?: boolean | undefined;
};
export type InvoiceStats = {
  grain: "minute" | "hour" | "day" | "month";
  from: string;
  to: string;
  counted?: { block: number; at: string } | undefined;
  totals: {
    lots: number;
    invoices: number;
    documented: number;
    redLetters: number;
    amounts: { currency: string; gross: string; tax: string }[];
  };
  buckets: {
    start: string;
    lots: number;
    invoices: number;
    documented: number;
    redLetters: number;
    amounts: { currency: string; gross: string; tax: string }[];
    acts: Partial<
      Record<
        | "issued"
        | "transferred"
        | "claimed"
        | "withdrawn"
        | "reimbursed"
        | "rejected"
        | "reversed"
        | "reversed-claimed"
        | "reversed-reimbursed"
        | "adjusted"
        | "entered"
        | "admitted"
        | "refused",
        number
      >
    >;
  }[];
  regions: {
    region: string;
    documented: number;
    redLetters: number;
    amounts: { currency: string; gross: string; tax: string }[];
  }[];
  trades: {
    trade:
      | "farming"
      | "food"
      | "textiles"
      | "office"
      | "fuel"
      | "medicine"
      | "chemicals"
      | "electronics"
      | "machinery"
      | "utilities"
      | "materials"
      | "repair"
      | "transport"
      | "post"
      | "telecom"
      | "technology"
      | "it"
      | "creative"
      | "logistics"
      | "leasing"
      | "consulting"
      | "business"
      | "construction"
      | "finance"
      | "leisure"
      | "health"
      | "travel"
      | "catering"
      | "lodging"
      | "household"
      | "intangible"
      | "property"
      | "other";
    documented: number;
    redLetters: number;
    amounts: { currency: string; gross: string; tax: string }[];
  }[];
};
export type InvoiceSummary = {
  number: InvoiceNumber;
  status: "accepted" | "issued" | "claimed" | "reimbursed" | "reversed";
  version: number;
  titled: boolean;
  holder: Account;
  entry?: "01" | "02" | "03" | "06" | undefined;
  reverses?: InvoiceNumber | undefined;
  acceptedAt: string;
  issuedAt?: string | undefined;
  seller: string;
  buyer: string;
  currency: string;
  gross: string;
  payable: string;
  links: { self: string; history: string };
};
export type IssuerStats = {
  grain: "day" | "month";
  start: string;
  issuers: number;
  items: {
    index: number;
    taxpayer?: { taxId: string; name: string; region: string; currency: string } | undefined;
    lots: number;
    invoices: number;
    documented: number;
    redLetters: number;
    amounts: { currency: string; gross: string; tax: string }[];
  }[];
};
export type Ledger = {
  network: string;
  chainId: number;
  registry: Account;
  ledger: Account;
  claimTermSeconds: number;
  open: boolean;
  block: number;
  time: string;
};
export type Money = string;
export type Operation = {
  id: string;
  kind: string;
  status: "queued" | "awaiting-signature" | "signed" | "sent" | "done" | "refused" | "failed";
  createdAt: string;
  updatedAt: string;
  awaiting?: string[] | undefined;
  typedData?: unknown | undefined;
  problem?: unknown | undefined;
  result?: unknown | undefined;
};
export type OperationRef = { id: string; href: string };
export type Person = { account: Account; name: string; custody: "gateway" | "own" };
export type Pickup = { number: InvoiceNumber; secret: string };
export type PlacedElement = {
  in: string;
  name: string;
  text?: string | undefined;
  elements?: __schema0 | undefined;
};
export type Position = string;
export type PublicKey = {
  kty: "OKP" | "EC";
  crv: "X25519" | "P-256";
  x: string;
  y?: string | undefined;
};
export type Quota = { period: string; granted: string; drawn: string; used: string; left: string };
export type QuotaStats = {
  period: string;
  issuers: number;
  items: {
    index: number;
    taxpayer?: { taxId: string; name: string; region: string; currency: string } | undefined;
    granted: string;
    drawn: string;
    used: string;
    share: number;
  }[];
};
export type RedLetter = {
  id: string;
  invoice: InvoiceNumber;
  status: "01" | "02" | "03" | "04" | "05" | "06" | "07" | "08" | "09";
  openedBy: "issuer" | "employer";
  reason?: RedLetterReason | undefined;
  employer?: { taxId: string; name: string } | undefined;
  totals: Amounts;
  number?: InvoiceNumber | undefined;
  replacement?: InvoiceNumber | undefined;
  operation?: OperationRef | undefined;
  problem?: { code: string; detail: string } | undefined;
  confirmBy?: string | undefined;
  createdAt: string;
  updatedAt: string;
  links: { self: string; invoice: string };
  document?: InvoiceDocument | undefined;
  ref?: string | undefined;
  salt?: string | undefined;
};
export type RedLetterReason = 1 | 2 | 3 | 4;
export type RedLetterReceipt = {
  redLetter: { id: string; status?: string | undefined; href: string };
  derived?:
    | {
        lines: { amount: string; tax: string; unitPrice?: string | undefined }[];
        totals: { net: string; tax: string; gross: string };
      }
    | undefined;
};
export type RedLetterSummary = {
  id: string;
  invoice: InvoiceNumber;
  status: "01" | "02" | "03" | "04" | "05" | "06" | "07" | "08" | "09";
  openedBy: "issuer" | "employer";
  reason?: RedLetterReason | undefined;
  employer?: { taxId: string; name: string } | undefined;
  totals: Amounts;
  number?: InvoiceNumber | undefined;
  replacement?: InvoiceNumber | undefined;
  operation?: OperationRef | undefined;
  problem?: { code: string; detail: string } | undefined;
  confirmBy?: string | undefined;
  createdAt: string;
  updatedAt: string;
  links: { self: string; invoice: string };
};
export type Refusals = {
  items: {
    position: string;
    at: string;
    tx: string;
    number: string;
    attempt: string;
    reason: string;
    by?: Account | undefined;
    employer?:
      | {
          index: number;
          taxpayer?: { taxId: string; name: string; region: string; currency: string } | undefined;
        }
      | undefined;
    invoice?:
      | {
          state: string;
          since?: string | undefined;
          employer?:
            | {
                index: number;
                taxpayer?:
                  | { taxId: string; name: string; region: string; currency: string }
                  | undefined;
              }
            | undefined;
        }
      | undefined;
  }[];
  next?: string | undefined;
};
export type SealedBytes = { aad: string; iv: string; ciphertext: string; tag: string };
export type SealedDocument = {
  number: InvoiceNumber;
  salt: string;
  key: string;
  document: SealedBytes;
};
export type SealedLot = {
  first: InvoiceNumber;
  count: number;
  key: string;
  documents: SealedDocument[];
};
export type Segment = { first: string; length: number; used: number };
export type Seller = {
  taxId?: TaxId | undefined;
  name: string;
  tradingName?: string | undefined;
  address?: string | undefined;
  country?: string | undefined;
  phone?: string | undefined;
  bankName?: string | undefined;
  bankAccount?: string | undefined;
  legalForm?: string | undefined;
  endpoint?: { id: string; scheme?: string | undefined } | undefined;
  identifiers?:
    | {
        id: string;
        scheme?: string | undefined;
        registration?: "vat" | "tax" | "legal" | undefined;
      }[]
    | undefined;
  contact?:
    | { name?: string | undefined; phone?: string | undefined; email?: string | undefined }
    | undefined;
};
export type Session = {
  account: Account;
  kind: "bureau" | "taxpayer" | "person";
  name: string;
  taxId?: string | undefined;
  roles: ("bureau" | "issuer" | "employer" | "holder" | "admin")[];
  csrfToken?: string | undefined;
  idleMinutes?: number | undefined;
  absoluteHours?: number | undefined;
};
export type TakenOver = {
  number: InvoiceNumber;
  holder: Account;
  links: { self: string; history: string };
};
export type TaxCategory = "S" | "Z" | "E" | "AE" | "K" | "G" | "O" | "L" | "M" | "B";
export type TaxId = string;
export type TaxRate = string;
export type Taxpayer = {
  taxId: string;
  name: string;
  account: Account;
  index: number;
  capabilities: string[];
  standing: "active" | "suspended" | "none";
  region: string;
  currency: string;
  dormant?: true | undefined;
};
export type TaxpayerName = { name: string; from: string; signature: { r: string; vs: string } };
export type Title = { taxId: string; name: string };
export type Transfer = {
  id: string;
  number: InvoiceNumber;
  from: Account;
  to: Account;
  status: "offered" | "accepted" | "completed" | "declined" | "withdrawn" | "refused";
  createdAt: string;
  invoice?: { seller: string; issuedAt: string; currency: string; gross: string } | undefined;
};
export type VerifiedBundle = {
  result:
    | "valid"
    | "adjusted"
    | "reversed"
    | "sealed"
    | "unattributed"
    | "altered"
    | "contradictory"
    | "mismatch"
    | "other-network"
    | "not-the-issuers"
    | "not-on-chain";
  number?: InvoiceNumber | undefined;
  state?: "issued" | "claimed" | "reimbursed" | "reversed" | undefined;
  steps: {
    step:
      | "format"
      | "parts"
      | "content"
      | "path"
      | "seal"
      | "parties"
      | "document"
      | "printed"
      | "network"
      | "issuer"
      | "identity"
      | "lot"
      | "record";
    outcome: "ok" | "failed" | "not-checked";
    detail: string;
  }[];
  contradictions: { step: "parties" | "document"; field: string; rule: string; detail: string }[];
  proven: { code: string; detail: string }[];
  notProven: { code: string; detail: string }[];
  shown?: { [member: string]: unknown } | undefined;
  asOf?: { block: number; time: string } | undefined;
};
export type VerifiedByPrint = {
  result: "valid" | "adjusted" | "reversed" | "mismatch" | "not-found" | "not-sealed" | "elsewhere";
  number?: InvoiceNumber | undefined;
  says?:
    | {
        format: "json" | "shudian" | "ubl" | "cii";
        number?: string | undefined;
        seller: { taxId?: string | undefined; name: string };
        date: string;
        currency: string;
        total: string;
      }
    | undefined;
  code?:
    | {
        kind: "national" | "invoice" | "bill" | "link";
        title?: string | undefined;
        number?: string | undefined;
        code?: string | undefined;
        date?: string | undefined;
        total?: string | undefined;
        net?: string | undefined;
      }
    | undefined;
  registered?: boolean | undefined;
  askAt?: string | undefined;
  state?: "issued" | "claimed" | "reimbursed" | "reversed" | undefined;
  detail: string;
  proven: { code: string; detail: string }[];
  notProven: { code: string; detail: string }[];
  asOf: { block: number; time: string };
};
export type WaitingPickup = { number: InvoiceNumber; secret: string; url: string };
export type Webhook = {
  id: string;
  url: string;
  description?: string | undefined;
  types?: string[] | undefined;
  status: "active" | "disabled";
  reason?: "party" | "failing" | "gone" | undefined;
  position: string;
  failures: number;
  nextAttemptAt?: string | undefined;
  oldSecretUntil?: string | undefined;
  createdAt: string;
};
export type WebhookWithAttempts = {
  id: string;
  url: string;
  description?: string | undefined;
  types?: string[] | undefined;
  status: "active" | "disabled";
  reason?: "party" | "failing" | "gone" | undefined;
  position: string;
  failures: number;
  nextAttemptAt?: string | undefined;
  oldSecretUntil?: string | undefined;
  createdAt: string;
  attempts: {
    event?: string | undefined;
    at: string;
    status?: number | undefined;
    milliseconds: number;
    error?: string | undefined;
  }[];
};
export type WebhookWithSecret = {
  id: string;
  url: string;
  description?: string | undefined;
  types?: string[] | undefined;
  status: "active" | "disabled";
  reason?: "party" | "failing" | "gone" | undefined;
  position: string;
  failures: number;
  nextAttemptAt?: string | undefined;
  oldSecretUntil?: string | undefined;
  createdAt: string;
  secret?: string | undefined;
};
export type __schema0 = Element[];
export type Code =
  | "malformed-request"
  | "invalid-request"
  | "idempotency-key-missing"
  | "idempotency-key-reused"
  | "idempotency-key-running"
  | "unauthenticated"
  | "sign-in-refused"
  | "forbidden"
  | "cross-site-request"
  | "wrong-host"
  | "not-found"
  | "method-not-allowed"
  | "not-acceptable"
  | "body-too-large"
  | "too-slow"
  | "unsupported-media-type"
  | "rate-limited"
  | "internal"
  | "unavailable"
  | "malformed-document"
  | "forbidden-markup"
  | "invalid-document"
  | "duplicate-source"
  | "seller-not-caller"
  | "buyer-not-enrolled"
  | "buyer-enrolling"
  | "enrolment-limit"
  | "name-not-enrolled"
  | "currency-not-accounted"
  | "quota-exceeded"
  | "quota-not-drawn"
  | "no-segment"
  | "red-letter-refused"
  | "red-letter-open"
  | "red-letter-state"
  | "external-issued-here"
  | "external-conflict"
  | "external-credited"
  | "external-registered"
  | "tax-id-enrolled"
  | "key-not-shown"
  | "invoice-busy"
  | "invoice-not-sealed"
  | "claim-state"
  | "transfer-state"
  | "already-taken-over"
  | "bundle-invalid"
  | "grant-exists"
  | "last-admin-key"
  | "key-limit"
  | "person-limit"
  | "person-left"
  | "person-has-no-key"
  | "account-limit"
  | "deposit-key-limit"
  | "grant-limit"
  | "encryption-key-missing"
  | "signature-not-wanted"
  | "signature-expired"
  | "too-many-streams"
  | "webhook-limit"
  | "webhook-url-refused"
  | "webhook-test-failed"
  | "not-sandbox"
  | "already-claimed"
  | "already-reimbursed"
  | "wrong-state"
  | "not-claimed-from"
  | "titled-to-another"
  | "claim-term-running"
  | "receiver-invalid"
  | "holder-suspended"
  | "employer-not-active"
  | "issuer-not-active"
  | "version-exhausted"
  | "not-external"
  | "not-employer-of"
  | "mark-invalid"
  | "already-entered"
  | "not-entered"
  | "is-red-letter"
  | "stale-version"
  | "signature-invalid"
  | "consent-invalid"
  | "holder-differs"
  | "issuer-differs"
  | "ids-not-ascending"
  | "act-size"
  | "kind-unknown"
  | "evidence-missing"
  | "lot-unknown"
  | "proof-invalid"
  | "lot-size"
  | "segment-not-owned"
  | "lot-out-of-order"
  | "segment-overrun"
  | "seal-invalid"
  | "ledger-closed"
  | "batch-size"
  | "claim-term-invalid"
  | "registry-invalid"
  | "zero-address"
  | "account-enrolled"
  | "taxpayer-unknown"
  | "taxpayer-suspended"
  | "standing-invalid"
  | "capabilities-invalid"
  | "capability-missing"
  | "period-invalid"
  | "amount-zero"
  | "quota-below-drawn"
  | "quota-draw-exceeded"
  | "give-back-exceeds-drawn"
  | "series-invalid"
  | "segment-length-invalid"
  | "series-exhausted"
  | "counter-mismatch"
  | "signer-mismatch"
  | "access-managed-unauthorized"
  | "access-managed-required-delay"
  | "access-managed-invalid-authority"
  | "access-manager-already-scheduled"
  | "access-manager-bad-confirmation"
  | "access-manager-expired"
  | "access-manager-invalid-initial-admin"
  | "access-manager-locked-function"
  | "access-manager-locked-role"
  | "access-manager-not-ready"
  | "access-manager-not-scheduled"
  | "access-manager-unauthorized-account"
  | "access-manager-unauthorized-call"
  | "access-manager-unauthorized-cancel"
  | "access-manager-unauthorized-consume"
  | "address-empty-code"
  | "failed-call"
  | "insufficient-balance"
  | "invalid-short-string"
  | "string-too-long"
  | "safe-cast-overflowed-uint-downcast";
export interface Api {
  "GET /v1/account-proof": {
    params: undefined;
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: AccountProof };
    item: never;
  };
  "POST /v1/accounts": {
    params: undefined;
    query: undefined;
    body: { account: Account; proof: string };
    raw: never;
    answers: { 201: { account: Account } };
    item: never;
  };
  "POST /v1/api-keys": {
    params: undefined;
    query: undefined;
    body: {
      account: Account;
      roles: ("bureau" | "issuer" | "employer" | "holder" | "admin")[];
      signIn?: string | undefined;
      bearer?: Account | undefined;
    };
    raw: never;
    answers: { 201: { id: string; token?: string | undefined } };
    item: never;
  };
  "GET /v1/api-keys": {
    params: undefined;
    query: {
      account?: Account | undefined;
      before?: string | undefined;
      limit?: number | undefined;
    };
    body: undefined;
    raw: never;
    answers: {
      200: {
        items: {
          id: string;
          account: Account;
          roles: string[];
          createdAt: string;
          bearer?: Account | undefined;
          signIn?: string | undefined;
          signedInAt?: string | undefined;
          revokedAt?: string | undefined;
        }[];
        next?: string | undefined;
      };
    };
    item: never;
  };
  "DELETE /v1/api-keys/{id}": {
    params: { id: string };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 204: undefined };
    item: never;
  };
  "GET /v1/audit": {
    params: undefined;
    query: { before?: FindingPlace | undefined; limit?: number | undefined };
    body: undefined;
    raw: never;
    answers: {
      200: {
        lots: number;
        waiting: number;
        behind: number;
        waitingSince?: string | undefined;
        findings: {
          kind:
            | "documents-missing"
            | "documents-differ"
            | "document-invalid"
            | "accepted-time"
            | "quota-exceeded"
            | "red-letter-exceeds";
          issuer: number;
          subject: string;
          foundAt: string;
        }[];
        next?: string | undefined;
      };
    };
    item: never;
  };
  "GET /v1/audit/quotas": {
    params: undefined;
    query: { period: string; after?: number | undefined; limit?: number | undefined };
    body: undefined;
    raw: never;
    answers: {
      200: {
        items: {
          issuer: number;
          taxId?: string | undefined;
          name?: string | undefined;
          currency?: string | undefined;
          granted: string;
          drawn: string;
          issued: { invoices: number; gross: string; tax: string };
        }[];
        next?: number | undefined;
      };
    };
    item: never;
  };
  "POST /v1/claims": {
    params: undefined;
    query: undefined;
    body: { employer: string; invoices: InvoiceNumber[]; note?: string | undefined };
    raw: never;
    answers: { 201: Claim; 202: { id: string; operation: OperationRef } };
    item: never;
  };
  "GET /v1/claims": {
    params: undefined;
    query: {
      as?: "holder" | "employer" | undefined;
      status?:
        | "submitted"
        | "refused"
        | "claimed"
        | "reimbursed"
        | "rejected"
        | "withdrawn"
        | "reversed"
        | undefined;
      invoice?: string | undefined;
      seller?: string | undefined;
      from?: string | undefined;
      to?: string | undefined;
      before?: string | undefined;
      limit?: number | undefined;
    };
    body: undefined;
    raw: never;
    answers: { 200: { items: Claim[]; next?: string | undefined } };
    item: never;
  };
  "GET /v1/claims/{id}": {
    params: { id: string };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: Claim };
    item: never;
  };
  "GET /v1/claims/{id}/archive": {
    params: { id: string };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: Uint8Array<ArrayBuffer> };
    item: never;
  };
  "POST /v1/claims/{id}/reimburse": {
    params: { id: string };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: Claim; 202: { id: string; operation: OperationRef } };
    item: never;
  };
  "POST /v1/claims/{id}/reject": {
    params: { id: string };
    query: undefined;
    body: { reason: string };
    raw: never;
    answers: { 200: Claim; 202: { id: string; operation: OperationRef } };
    item: never;
  };
  "POST /v1/claims/{id}/withdraw": {
    params: { id: string };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: Claim; 202: { id: string; operation: OperationRef } };
    item: never;
  };
  "POST /v1/deposits": {
    params: undefined;
    query: undefined;
    body: { lot: InvoiceNumber; key: string; documents: DepositedDocument[] };
    raw: never;
    answers: { 200: { lot: InvoiceNumber; received: number; count: number } };
    item: never;
  };
  "GET /v1/deposits/key": {
    params: undefined;
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: { kid: string; jwk: { [member: string]: string } } };
    item: never;
  };
  "POST /v1/deposits/key-rotations": {
    params: undefined;
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 201: { kid: string; jwk: { [member: string]: string } } };
    item: never;
  };
  "PUT /v1/encryption-key": {
    params: undefined;
    query: undefined;
    body: PublicKey;
    raw: never;
    answers: { 200: { kid: string } };
    item: never;
  };
  "GET /v1/encryption-key": {
    params: undefined;
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: { kid: string; jwk: PublicKey } };
    item: never;
  };
  "POST /v1/entries": {
    params: undefined;
    query: undefined;
    body: {
      mark: "02" | "03" | "06";
      invoices: (InvoiceNumber | ExternalId)[];
      period?: string | undefined;
      voucher?: string | undefined;
    };
    raw: never;
    answers: {
      201: EntryDone;
      202: { mark: "02" | "03" | "06"; invoices: string[]; operation: OperationRef };
    };
    item: never;
  };
  "GET /v1/entries": {
    params: undefined;
    query: {
      after?: Position | undefined;
      current?: "true" | "false" | undefined;
      limit?: number | undefined;
    };
    body: undefined;
    raw: never;
    answers: { 200: { items: EntryAct[]; next: string; more: boolean } };
    item: never;
  };
  "GET /v1/events": {
    params: undefined;
    query: {
      after?: Position | undefined;
      types?: string | undefined;
      number?: (InvoiceNumber | ExternalId) | undefined;
      limit?: number | undefined;
    };
    body: undefined;
    raw: never;
    answers: { 200: { items: Event[]; next: string; more: boolean } };
    item: never;
  };
  "GET /v1/events/stream": {
    params: undefined;
    query: { after?: Position | undefined; types?: string | undefined };
    body: undefined;
    raw: never;
    answers: { 200: Uint8Array<ArrayBuffer> };
    item: Event;
  };
  "GET /v1/external-credits": {
    params: undefined;
    query: {
      before?: string | undefined;
      limit?: number | undefined;
      doubtful?: "true" | "false" | undefined;
    };
    body: undefined;
    raw: never;
    answers: { 200: { items: ExternalCreditNote[]; next?: string | undefined } };
    item: never;
  };
  "GET /v1/external-credits/{credit}": {
    params: { credit: string };
    query: undefined;
    body: undefined;
    raw: never;
    answers: {
      200: {
        credit?: string | undefined;
        id: ExternalId;
        number: string;
        format: "json" | "shudian" | "ubl" | "cii";
        employer: { taxId: string; name: string };
        recordedAt?: string | undefined;
        seller: string;
        buyer: string;
        issuedOn: string;
        currency: string;
        amount: string;
        originals: { number: string; date?: string | undefined }[];
        effects: {
          id: ExternalId;
          number: string;
          effect: "reduces" | "exceeds" | "differs" | "several" | "other-employer";
          taken: { gross: string; payable: string };
          differs?: ("seller" | "date" | "total")[] | undefined;
          overpaid: boolean;
          recoveredAt?: string | undefined;
          claim: {
            id: string;
            status:
              | "submitted"
              | "refused"
              | "claimed"
              | "reimbursed"
              | "rejected"
              | "withdrawn"
              | "reversed";
            href: string;
          };
          employer: { taxId: string; name: string };
        }[];
        unread?: string[] | undefined;
        notes?: { field: string; rule: string; detail: string }[] | undefined;
        document: InvoiceDocument;
      };
    };
    item: never;
  };
  "GET /v1/external-credits/{credit}/original": {
    params: { credit: string };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: Uint8Array<ArrayBuffer> };
    item: never;
  };
  "GET /v1/external-findings": {
    params: undefined;
    query: {
      kind?: "conflict" | "near-duplicate" | undefined;
      claim?: string | undefined;
      before?: string | undefined;
      limit?: number | undefined;
    };
    body: undefined;
    raw: never;
    answers: { 200: { items: ExternalFinding[]; next?: string | undefined } };
    item: never;
  };
  "POST /v1/external-invoices": {
    params: undefined;
    query: {
      holder?: Account | undefined;
      dryRun?: "true" | "false" | undefined;
      collected?: string | undefined;
    };
    body: InvoiceRequest;
    raw: string;
    answers: {
      200: ExternalLook | ExternalCreditNote;
      201:
        | {
            id: ExternalId;
            number: string;
            format: "json" | "shudian" | "ubl" | "cii";
            claim: { id: string; status: string; href: string };
            holder: Account;
            employer: { taxId: string; name: string };
            registeredAt: string;
            seller: string;
            buyer: string;
            currency: string;
            gross: string;
            payable: string;
            creditNotes?: ExternalCreditOnInvoice[] | undefined;
            proven: (
              | "format"
              | "arithmetic"
              | "tax-id-form"
              | "seller-check-digit"
              | "title"
              | "once-in-this-network"
              | "issued"
              | "seller-signature"
              | "unaltered"
              | "not-reversed"
              | "unused-outside"
              | "not-issued-here-by-another-gateway"
            )[];
            notProven: (
              | "format"
              | "arithmetic"
              | "tax-id-form"
              | "seller-check-digit"
              | "title"
              | "once-in-this-network"
              | "issued"
              | "seller-signature"
              | "unaltered"
              | "not-reversed"
              | "unused-outside"
              | "not-issued-here-by-another-gateway"
            )[];
            document: InvoiceDocument;
            unread?: string[] | undefined;
            notes?: { field: string; rule: string; detail: string }[] | undefined;
            nearDuplicates?:
              | {
                  invoice: InvoiceNumber | ExternalId;
                  number: string;
                  same: ("seller" | "buyer")[];
                  claim?: { id: string; href: string } | undefined;
                }[]
              | undefined;
          }
        | ExternalCreditNote;
      202: {
        id: ExternalId;
        claim: { id: string; href: string };
        proven: (
          | "format"
          | "arithmetic"
          | "tax-id-form"
          | "seller-check-digit"
          | "title"
          | "once-in-this-network"
          | "issued"
          | "seller-signature"
          | "unaltered"
          | "not-reversed"
          | "unused-outside"
          | "not-issued-here-by-another-gateway"
        )[];
        notProven: (
          | "format"
          | "arithmetic"
          | "tax-id-form"
          | "seller-check-digit"
          | "title"
          | "once-in-this-network"
          | "issued"
          | "seller-signature"
          | "unaltered"
          | "not-reversed"
          | "unused-outside"
          | "not-issued-here-by-another-gateway"
        )[];
        unread?: string[] | undefined;
        notes?: { field: string; rule: string; detail: string }[] | undefined;
        nearDuplicates?:
          | {
              invoice: InvoiceNumber | ExternalId;
              number: string;
              same: ("seller" | "buyer")[];
              claim?: { id: string; href: string } | undefined;
            }[]
          | undefined;
        operation: OperationRef;
      };
    };
    item: never;
  };
  "GET /v1/external-invoices": {
    params: undefined;
    query: { before?: string | undefined; limit?: number | undefined };
    body: undefined;
    raw: never;
    answers: { 200: { items: ExternalInvoiceSummary[]; next?: string | undefined } };
    item: never;
  };
  "GET /v1/external-invoices/{id}": {
    params: { id: ExternalId };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: ExternalInvoice };
    item: never;
  };
  "GET /v1/external-invoices/{id}/original": {
    params: { id: ExternalId };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: Uint8Array<ArrayBuffer> };
    item: never;
  };
  "GET /v1/external-overpaid": {
    params: undefined;
    query: {
      before?: string | undefined;
      limit?: number | undefined;
      state?: "open" | "recovered" | undefined;
    };
    body: undefined;
    raw: never;
    answers: {
      200: {
        items: ExternalOverpaid[];
        next?: string | undefined;
        sums?: { currency: string; amount: string; count: number }[] | undefined;
        sumsOfNewest?: true | undefined;
      };
    };
    item: never;
  };
  "POST /v1/external-overpaid/{overpaid}/recovered": {
    params: { overpaid: string };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: ExternalOverpaid };
    item: never;
  };
  "GET /v1/invoices": {
    params: undefined;
    query: {
      as?: "issuer" | "holder" | "employer" | "grantee" | undefined;
      status?: "accepted" | "issued" | "claimed" | "reimbursed" | "reversed" | undefined;
      from?: string | undefined;
      to?: string | undefined;
      buyer?: string | undefined;
      seller?: string | undefined;
      sourceId?: string | undefined;
      documentHash?: string | undefined;
      order?: "asc" | "desc" | undefined;
      after?: InvoicePlace | undefined;
      limit?: number | undefined;
    };
    body: undefined;
    raw: never;
    answers: { 200: { items: InvoiceSummary[]; next?: string | undefined } };
    item: never;
  };
  "POST /v1/invoices": {
    params: undefined;
    query: { holder?: Account | undefined; reason?: "1" | "2" | "3" | "4" | undefined };
    body: InvoiceRequest;
    raw: string;
    answers: { 201: InvoiceReceipt; 202: InvoiceReceipt | RedLetterReceipt };
    item: never;
  };
  "POST /v1/invoices/batch": {
    params: undefined;
    query: { reason?: "1" | "2" | "3" | "4" | undefined };
    body: InvoiceRequest;
    raw: string;
    answers: { 200: Uint8Array<ArrayBuffer> };
    item: BatchResult;
  };
  "POST /v1/invoices/import": {
    params: undefined;
    query: undefined;
    body: Bundle;
    raw: never;
    answers: {
      201: {
        number: InvoiceNumber;
        status: "accepted" | "issued" | "claimed" | "reimbursed" | "reversed";
        links: { self: string; history: string };
      };
    };
    item: never;
  };
  "GET /v1/invoices/{number}": {
    params: { number: InvoiceNumber };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: Invoice };
    item: never;
  };
  "GET /v1/invoices/{number}/archive": {
    params: { number: InvoiceNumber };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: Uint8Array<ArrayBuffer> };
    item: never;
  };
  "GET /v1/invoices/{number}/bundle": {
    params: { number: InvoiceNumber };
    query: { disclose?: string | undefined };
    body: undefined;
    raw: never;
    answers: { 200: Bundle };
    item: never;
  };
  "GET /v1/invoices/{number}/entry": {
    params: { number: InvoiceNumber | ExternalId };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: { invoice: string; mark: "01" | "02" | "03" | "06"; acts: EntryAct[] } };
    item: never;
  };
  "POST /v1/invoices/{number}/grants": {
    params: { number: InvoiceNumber };
    query: undefined;
    body: { to: Account; until?: string | undefined };
    raw: never;
    answers: { 201: Grant };
    item: never;
  };
  "GET /v1/invoices/{number}/grants": {
    params: { number: InvoiceNumber };
    query: undefined;
    body: undefined;
    raw: never;
    answers: {
      200: {
        parties: { account: Account; as: "issuer" | "holder" | "employer" }[];
        items: Grant[];
      };
    };
    item: never;
  };
  "DELETE /v1/invoices/{number}/grants/{id}": {
    params: { number: InvoiceNumber; id: string };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 204: undefined };
    item: never;
  };
  "GET /v1/invoices/{number}/history": {
    params: { number: InvoiceNumber };
    query: undefined;
    body: undefined;
    raw: never;
    answers: {
      200: {
        items: {
          position: string;
          type: string;
          at: string;
          tx?: string | undefined;
          data: { [member: string]: unknown };
        }[];
      };
    };
    item: never;
  };
  "GET /v1/invoices/{number}/original": {
    params: { number: InvoiceNumber };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: Uint8Array<ArrayBuffer> };
    item: never;
  };
  "GET /v1/invoices/{number}/pickup": {
    params: { number: InvoiceNumber };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: WaitingPickup };
    item: never;
  };
  "GET /v1/invoices/{number}/qr": {
    params: { number: InvoiceNumber };
    query: { signed?: "0" | "1" | undefined };
    body: undefined;
    raw: never;
    answers: { 200: Uint8Array<ArrayBuffer> };
    item: never;
  };
  "GET /v1/invoices/{number}/reads": {
    params: { number: InvoiceNumber };
    query: { limit?: number | undefined };
    body: undefined;
    raw: never;
    answers: {
      200: {
        items: {
          account: Account;
          form:
            | "list"
            | "json"
            | "shudian"
            | "ubl"
            | "cii"
            | "pdf"
            | "qr"
            | "original"
            | "bundle"
            | "archive"
            | "sealed"
            | "audit";
          day: string;
          times: number;
          firstAt: string;
          lastAt: string;
        }[];
      };
    };
    item: never;
  };
  "POST /v1/invoices/{number}/red-letters": {
    params: { number: InvoiceNumber };
    query: undefined;
    body: {
      reason: RedLetterReason;
      whole?: true | undefined;
      lines?:
        | { line: number; quantity?: string | undefined; amount?: string | undefined }[]
        | undefined;
      gross?: string | undefined;
      document?: unknown | undefined;
    };
    raw: never;
    answers: { 201: RedLetter; 202: RedLetter };
    item: never;
  };
  "GET /v1/invoices/{number}/red-letters": {
    params: { number: InvoiceNumber };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: { items: RedLetterSummary[] } };
    item: never;
  };
  "POST /v1/invoices/{number}/replace": {
    params: { number: InvoiceNumber };
    query: { holder?: Account | undefined; reason?: "1" | "2" | "3" | "4" | undefined };
    body: InvoiceRequest;
    raw: string;
    answers: { 201: RedLetter; 202: RedLetter };
    item: never;
  };
  "POST /v1/invoices/{number}/transfers": {
    params: { number: InvoiceNumber };
    query: undefined;
    body: { to: Account };
    raw: never;
    answers: { 201: Transfer };
    item: never;
  };
  "GET /v1/ledger": {
    params: undefined;
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: Ledger };
    item: never;
  };
  "PATCH /v1/ledger": {
    params: undefined;
    query: undefined;
    body: { open: boolean };
    raw: never;
    answers: { 200: Ledger; 202: { operation: OperationRef } };
    item: never;
  };
  "GET /v1/lots/{first}": {
    params: { first: InvoiceNumber };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: SealedLot };
    item: never;
  };
  "GET /v1/operations": {
    params: undefined;
    query: {
      status?:
        | "queued"
        | "awaiting-signature"
        | "signed"
        | "sent"
        | "done"
        | "refused"
        | "failed"
        | undefined;
      before?: string | undefined;
      limit?: number | undefined;
    };
    body: undefined;
    raw: never;
    answers: { 200: { items: Operation[]; next?: string | undefined } };
    item: never;
  };
  "GET /v1/operations/{id}": {
    params: { id: string };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: Operation };
    item: never;
  };
  "POST /v1/operations/{id}/signatures": {
    params: { id: string };
    query: undefined;
    body: { signature: string };
    raw: never;
    answers: { 200: Operation };
    item: never;
  };
  "POST /v1/persons": {
    params: undefined;
    query: undefined;
    body: {
      name: string;
      key?:
        | ({ custody: "gateway" } | { custody: "own"; address: Account; proof: string })
        | undefined;
    };
    raw: never;
    answers: { 201: Person };
    item: never;
  };
  "GET /v1/persons/{account}": {
    params: { account: Account };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: Person };
    item: never;
  };
  "POST /v1/persons/{account}/leave": {
    params: { account: Account };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: { account: Account; id?: string | undefined; token?: string | undefined } };
    item: never;
  };
  "POST /v1/pickups": {
    params: undefined;
    query: undefined;
    body: Pickup;
    raw: never;
    answers: { 200: TakenOver; 202: { number: InvoiceNumber; operation: OperationRef } };
    item: never;
  };
  "GET /v1/red-letters": {
    params: undefined;
    query: {
      as?: "issuer" | "employer" | undefined;
      status?: "01" | "02" | "03" | "04" | "05" | "06" | "07" | "08" | "09" | undefined;
      before?: string | undefined;
      limit?: number | undefined;
    };
    body: undefined;
    raw: never;
    answers: { 200: { items: RedLetterSummary[]; next?: string | undefined } };
    item: never;
  };
  "GET /v1/red-letters/{id}": {
    params: { id: string };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: RedLetter };
    item: never;
  };
  "POST /v1/red-letters/{id}/consent": {
    params: { id: string };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: RedLetter; 202: RedLetter };
    item: never;
  };
  "POST /v1/red-letters/{id}/refuse": {
    params: { id: string };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: RedLetter };
    item: never;
  };
  "POST /v1/red-letters/{id}/withdraw": {
    params: { id: string };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: RedLetter };
    item: never;
  };
  "POST /v1/session": {
    params: undefined;
    query: undefined;
    body: { key: string; proof?: string | undefined };
    raw: never;
    answers: { 201: Session };
    item: never;
  };
  "GET /v1/session": {
    params: undefined;
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: Session };
    item: never;
  };
  "DELETE /v1/session": {
    params: undefined;
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: { href: string }; 204: undefined };
    item: never;
  };
  "GET /v1/sign-in": {
    params: undefined;
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: { provider?: { name: string } | undefined } };
    item: never;
  };
  "POST /v1/sign-in": {
    params: undefined;
    query: undefined;
    body: { again?: boolean | undefined };
    raw: never;
    answers: { 200: { href: string; flow: string } };
    item: never;
  };
  "POST /v1/sign-in/answer": {
    params: undefined;
    query: undefined;
    body: { flow: string; query: string };
    raw: never;
    answers: {
      200: {
        name: string;
        proof: string;
        parties: {
          key: string;
          account: Account;
          kind: "bureau" | "taxpayer" | "person";
          name: string;
          taxId?: string | undefined;
          roles: ("bureau" | "issuer" | "employer" | "holder" | "admin")[];
        }[];
      };
    };
    item: never;
  };
  "GET /v1/stats/chain": {
    params: undefined;
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: ChainStats };
    item: never;
  };
  "GET /v1/stats/flow": {
    params: undefined;
    query: { from?: string | undefined; to?: string | undefined };
    body: undefined;
    raw: never;
    answers: { 200: FlowStats };
    item: never;
  };
  "GET /v1/stats/invoices": {
    params: undefined;
    query: {
      grain?: "minute" | "hour" | "day" | "month" | undefined;
      from?: string | undefined;
      to?: string | undefined;
    };
    body: undefined;
    raw: never;
    answers: { 200: InvoiceStats };
    item: never;
  };
  "GET /v1/stats/issuers": {
    params: undefined;
    query: {
      grain?: "day" | "month" | undefined;
      at?: string | undefined;
      by?: "gross" | "invoices" | undefined;
      currency?: string | undefined;
      limit?: number | undefined;
    };
    body: undefined;
    raw: never;
    answers: { 200: IssuerStats };
    item: never;
  };
  "GET /v1/stats/quotas": {
    params: undefined;
    query: { period?: string | undefined; limit?: number | undefined };
    body: undefined;
    raw: never;
    answers: { 200: QuotaStats };
    item: never;
  };
  "GET /v1/stats/refusals": {
    params: undefined;
    query: { before?: Position | undefined; limit?: number | undefined };
    body: undefined;
    raw: never;
    answers: { 200: Refusals };
    item: never;
  };
  "POST /v1/taxpayers": {
    params: undefined;
    query: undefined;
    body: {
      name: string;
      taxId: string;
      capabilities: ("issuer" | "employer")[];
      region?: string | undefined;
      currency?: string | undefined;
      key?: ({ custody: "gateway" } | { custody: "own"; address: Account }) | undefined;
    };
    raw: never;
    answers: { 201: Taxpayer; 202: Accepted };
    item: never;
  };
  "GET /v1/taxpayers": {
    params: undefined;
    query: { after?: number | undefined; limit?: number | undefined };
    body: undefined;
    raw: never;
    answers: { 200: { items: Taxpayer[]; next?: number | undefined } };
    item: never;
  };
  "POST /v1/taxpayers/directory": {
    params: undefined;
    query: undefined;
    body: DirectoryRow;
    raw: string;
    answers: { 200: Uint8Array<ArrayBuffer> };
    item: DirectoryResult;
  };
  "GET /v1/taxpayers/directory": {
    params: undefined;
    query: { name?: string | undefined; taxId?: string | undefined; limit?: number | undefined };
    body: undefined;
    raw: never;
    answers: { 200: { items: Company[]; more: boolean } };
    item: never;
  };
  "POST /v1/taxpayers/directory/enrolments": {
    params: undefined;
    query: undefined;
    body: { taxId: string; name: string };
    raw: never;
    answers: {
      200: {
        index: number;
        account: Account;
        taxId: string;
        name: string;
        salt: string;
        named?: { name: string; from: string; signature: { r: string; vs: string } } | undefined;
      };
      202: { taxId: string };
    };
    item: never;
  };
  "GET /v1/taxpayers/{taxId}": {
    params: { taxId: string };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: Taxpayer };
    item: never;
  };
  "PATCH /v1/taxpayers/{taxId}": {
    params: { taxId: string };
    query: undefined;
    body: {
      standing?: "active" | "suspended" | undefined;
      capabilities?: ("issuer" | "employer")[] | undefined;
    };
    raw: never;
    answers: { 200: Taxpayer; 202: Accepted };
    item: never;
  };
  "GET /v1/taxpayers/{taxId}/identity": {
    params: { taxId: string };
    query: undefined;
    body: undefined;
    raw: never;
    answers: {
      200: {
        index: number;
        account: Account;
        taxId: string;
        name: string;
        salt: string;
        named?: { name: string; from: string; signature: { r: string; vs: string } } | undefined;
      };
    };
    item: never;
  };
  "POST /v1/taxpayers/{taxId}/key-rotations": {
    params: { taxId: string };
    query: undefined;
    body: { key: { custody: "gateway" } | { custody: "own"; address: Account; proof: string } };
    raw: never;
    answers: { 200: { key: Account }; 202: Accepted };
    item: never;
  };
  "POST /v1/taxpayers/{taxId}/names": {
    params: { taxId: string };
    query: undefined;
    body: { name: string; from: string; signature?: string | undefined };
    raw: never;
    answers: { 201: TaxpayerName };
    item: never;
  };
  "GET /v1/taxpayers/{taxId}/names": {
    params: { taxId: string };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: { items: (TaxpayerName | { name: string })[] } };
    item: never;
  };
  "PUT /v1/taxpayers/{taxId}/quota": {
    params: { taxId: string };
    query: undefined;
    body: { period: string; granted: string };
    raw: never;
    answers: { 200: Quota; 202: Accepted };
    item: never;
  };
  "GET /v1/taxpayers/{taxId}/quota": {
    params: { taxId: string };
    query: { period?: string | undefined };
    body: undefined;
    raw: never;
    answers: { 200: Quota };
    item: never;
  };
  "POST /v1/taxpayers/{taxId}/quota/draws": {
    params: { taxId: string };
    query: undefined;
    body: {
      direction?: "draw" | "give-back" | undefined;
      amount: string;
      period?: string | undefined;
    };
    raw: never;
    answers: { 200: Quota; 202: Accepted };
    item: never;
  };
  "POST /v1/taxpayers/{taxId}/segments": {
    params: { taxId: string };
    query: undefined;
    body: { length: number; series?: number | undefined };
    raw: never;
    answers: { 201: Segment; 202: Accepted };
    item: never;
  };
  "GET /v1/taxpayers/{taxId}/segments": {
    params: { taxId: string };
    query: { after?: InvoiceNumber | undefined; limit?: number | undefined };
    body: undefined;
    raw: never;
    answers: { 200: { items: Segment[]; next?: InvoiceNumber | undefined } };
    item: never;
  };
  "GET /v1/titles/{taxId}": {
    params: { taxId: string };
    query: { on?: string | undefined };
    body: undefined;
    raw: never;
    answers: { 200: Title };
    item: never;
  };
  "GET /v1/transfers": {
    params: undefined;
    query: {
      status?: "offered" | "accepted" | "declined" | "withdrawn" | undefined;
      before?: string | undefined;
      limit?: number | undefined;
    };
    body: undefined;
    raw: never;
    answers: { 200: { items: Transfer[]; next?: string | undefined } };
    item: never;
  };
  "GET /v1/transfers/{id}": {
    params: { id: string };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: Transfer };
    item: never;
  };
  "POST /v1/transfers/{id}/accept": {
    params: { id: string };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: Transfer; 202: Transfer };
    item: never;
  };
  "POST /v1/transfers/{id}/decline": {
    params: { id: string };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: Transfer };
    item: never;
  };
  "POST /v1/transfers/{id}/withdraw": {
    params: { id: string };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: Transfer };
    item: never;
  };
  "GET /v1/verify": {
    params: undefined;
    query: { number: InvoiceNumber; date: string; total: string };
    body: undefined;
    raw: never;
    answers: { 200: VerifiedByPrint };
    item: never;
  };
  "POST /v1/verify": {
    params: undefined;
    query: undefined;
    body: Bundle;
    raw: string;
    answers: { 200: VerifiedBundle | VerifiedByPrint };
    item: never;
  };
  "POST /v1/webhooks": {
    params: undefined;
    query: undefined;
    body: {
      url: string;
      types?:
        | (
            | "invoice.transferred"
            | "claim.created"
            | "claim.withdrawn"
            | "invoice.reimbursed"
            | "claim.rejected"
            | "invoice.reversed"
            | "invoice.adjusted"
            | "invoice.entered"
            | "invoice.issued"
            | "external.conflict"
            | "external.near-duplicate"
            | "external.credited"
            | "invoice.imported"
            | "transfer.offered"
            | "transfer.ended"
            | "red-letter.changed"
            | "red-letter.issued"
            | "reimbursement.refused"
            | "taxpayer.enrolled"
            | "taxpayer.suspended"
            | "taxpayer.reinstated"
            | "audit.alarm"
            | "quota.set"
            | "quota.drawn"
            | "quota.given-back"
            | "segment.allotted"
            | "key.rotated"
            | "ledger.closed"
            | "ledger.opened"
          )[]
        | undefined;
      description?: string | undefined;
    };
    raw: never;
    answers: { 201: WebhookWithSecret };
    item: never;
  };
  "GET /v1/webhooks": {
    params: undefined;
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: { items: Webhook[] } };
    item: never;
  };
  "GET /v1/webhooks/{id}": {
    params: { id: string };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: WebhookWithAttempts };
    item: never;
  };
  "DELETE /v1/webhooks/{id}": {
    params: { id: string };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 204: undefined };
    item: never;
  };
  "POST /v1/webhooks/{id}/disable": {
    params: { id: string };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: Webhook };
    item: never;
  };
  "POST /v1/webhooks/{id}/enable": {
    params: { id: string };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: Webhook };
    item: never;
  };
  "POST /v1/webhooks/{id}/replay": {
    params: { id: string };
    query: undefined;
    body: { after: Position };
    raw: never;
    answers: { 200: Webhook };
    item: never;
  };
  "POST /v1/webhooks/{id}/rotate-secret": {
    params: { id: string };
    query: undefined;
    body: undefined;
    raw: never;
    answers: { 200: WebhookWithSecret };
    item: never;
  };
}
