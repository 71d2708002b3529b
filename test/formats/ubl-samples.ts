/**
 * UBL invoices as XRechnung's senders write them: the parts of EN 16931 that the files in
 * samples/ubl leave out.
 *
 * Covered: a prefixed root; amounts without trailing zeros; line ids that are words; parties with
 * endpoint, trading name, legal form and identifiers; payee, tax representative, delivery; an
 * attachment; the tax in a second currency; charges of zero; exempt and outside of tax; a bill with
 * thirty lines and two rates that ends in a refund. Every name and number is invented.
 */
type Line = {
  id: string;
  name: string;
  quantity: string;
  unit: string;
  price: string;
  /** In percent, whole. */
  rate: string;
  note?: string;
  period?: readonly [start: string, end: string];
  order?: string;
  description?: string;
  /** Further elements of the item, as XML. */
  item?: string;
};
/** Everything except the lines is XML, in the order of the schema. */
type Invoice = {
  name: string;
  prefix?: "ubl";
  /** From the number to the references. */
  head: string[];
  seller: string[];
  buyer: string[];
  /** Between the parties and the tax. */
  middle: string[];
  lines: readonly Line[];
  /** In cents. */
  prepaid?: bigint;
  /** The category of the rate 0, and its reason. */
  untaxed?: { category: "E" | "O"; reason: string };
  /** Parts of the tax without a line. */
  furtherParts?: string[];
  /** The tax in another currency. */
  otherTax?: string;
  /** Before the prepaid amount. */
  furtherTotals?: string[];
};

const tag = (name: string, text: string, attributes = "") =>
  `<${name}${attributes}>${text}</${name}>`;
const cbc = (name: string, text: string, attributes = "") => tag(`cbc:${name}`, text, attributes);
const cac = (name: string, ...inner: string[]) => tag(`cac:${name}`, inner.join(""));
const ref = (name: string, id: string) => cac(name, cbc("ID", id));

/** Cents as a decimal without trailing zeros. */
function decimal(cents: bigint): string {
  const digits = String(cents < 0n ? -cents : cents).padStart(3, "0");
  const fraction = digits.slice(-2).replace(/0+$/, "");
  return `${cents < 0n ? "-" : ""}${digits.slice(0, -2)}${fraction && `.${fraction}`}`;
}
const amount = (name: string, cents: bigint, currency = "EUR") =>
  cbc(name, decimal(cents), ` currencyID="${currency}"`);
/** A decimal text in millionths. */
function millionths(text: string): bigint {
  const [whole = "", fraction = ""] = text.split(".");
  return BigInt(whole + fraction.padEnd(6, "0"));
}
/** How many times `scale` goes into it; a half goes up. */
const rounded = (value: bigint, scale: bigint) => (value + scale / 2n) / scale;
const netOf = ({ quantity, price }: Line) =>
  rounded(millionths(quantity) * millionths(price), 10n ** 10n);

const vat = cac("TaxScheme", cbc("ID", "VAT"));
const category = (name: string, code: string, percent?: string, reason = "") =>
  cac(name, cbc("ID", code), percent === undefined ? "" : cbc("Percent", percent), reason, vat);
const period = ([start, end]: readonly [string, string]) =>
  cac("InvoicePeriod", cbc("StartDate", start), cbc("EndDate", end));
const country = cac("Country", cbc("IdentificationCode", "DE"));
const address = (street: string, second: string, city: string, zone: string, ...more: string[]) =>
  cac(
    "PostalAddress",
    cbc("StreetName", street),
    second && cbc("AdditionalStreetName", second),
    cbc("CityName", city),
    cbc("PostalZone", zone),
    ...more,
    country,
  );
const partyName = (name: string) => cac("PartyName", cbc("Name", name));
const endpoint = (mail: string) => cbc("EndpointID", mail, ' schemeID="EM"');
const contact = (...children: string[]) => cac("Contact", ...children);
const account = (iban: string, ...more: string[]) =>
  cac("PayeeFinancialAccount", cbc("ID", iban), ...more);

function ublOf({ prefix, lines, untaxed, prepaid = 0n, ...rest }: Invoice): string {
  const parts = [...Map.groupBy(lines, ({ rate }) => rate)].map(([rate, same]) => {
    const net = same.reduce((sum, line) => sum + netOf(line), 0n);
    return { rate, net, tax: rounded(net * BigInt(rate), 100n) };
  });
  const net = parts.reduce((sum, part) => sum + part.net, 0n);
  const tax = parts.reduce((sum, part) => sum + part.tax, 0n);
  const codeOf = (rate: string) => (rate === "0" && untaxed ? untaxed.category : "S");
  const partOf = (part: (typeof parts)[number]) =>
    cac(
      "TaxSubtotal",
      amount("TaxableAmount", part.net),
      amount("TaxAmount", part.tax),
      category(
        "TaxCategory",
        codeOf(part.rate),
        part.rate,
        part.rate === "0" ? untaxed?.reason : "",
      ),
    );
  const lineOf = (line: Line) =>
    cac(
      "InvoiceLine",
      cbc("ID", line.id),
      line.note === undefined ? "" : cbc("Note", line.note),
      cbc("InvoicedQuantity", line.quantity, ` unitCode="${line.unit}"`),
      amount("LineExtensionAmount", netOf(line)),
      line.period ? period(line.period) : "",
      line.order === undefined ? "" : cac("OrderLineReference", cbc("LineID", line.order)),
      cac(
        "Item",
        line.description === undefined ? "" : cbc("Description", line.description),
        cbc("Name", line.name),
        line.item ?? "",
        // outside of tax a line has no rate (BR-O-05)
        category(
          "ClassifiedTaxCategory",
          codeOf(line.rate),
          codeOf(line.rate) === "O" ? undefined : line.rate,
        ),
      ),
      cac("Price", cbc("PriceAmount", line.price, ' currencyID="EUR"')),
    );
  const body = [
    cbc("CustomizationID", "urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0"),
    cbc("ProfileID", "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"),
    ...rest.head,
    cac("AccountingSupplierParty", cac("Party", ...rest.seller)),
    cac("AccountingCustomerParty", cac("Party", ...rest.buyer)),
    ...rest.middle,
    cac("TaxTotal", amount("TaxAmount", tax), ...parts.map(partOf), ...(rest.furtherParts ?? [])),
    rest.otherTax ?? "",
    cac(
      "LegalMonetaryTotal",
      amount("LineExtensionAmount", net),
      amount("TaxExclusiveAmount", net),
      amount("TaxInclusiveAmount", net + tax),
      ...(rest.furtherTotals ?? []),
      prepaid === 0n ? "" : amount("PrepaidAmount", prepaid),
      amount("PayableAmount", net + tax - prepaid),
    ),
    ...lines.map(lineOf),
  ].filter(Boolean);
  const schema = "urn:oasis:names:specification:ubl:schema:xsd";
  const spaces = [
    `xmlns${prefix ? `:${prefix}` : ""}="${schema}:Invoice-2"`,
    `xmlns:cac="${schema}:CommonAggregateComponents-2"`,
    `xmlns:cbc="${schema}:CommonBasicComponents-2"`,
  ];
  const root = tag(
    `${prefix ? `${prefix}:` : ""}Invoice`,
    `\n${body.join("\n")}\n`,
    ` ${spaces.join(" ")}`,
  );
  return `<?xml version="1.0" encoding="UTF-8"?>\n${root}\n`;
}

const seller = (
  name: string,
  more: {
    taxId?: string;
    scheme?: string;
    legal?: string[];
    identifiers?: string[];
    contact?: string[];
  } = {},
) => [
  endpoint("rechnung@verkauf.example"),
  ...(more.identifiers ?? []),
  partyName(`${name}, Vertrieb`),
  address("Hafenstraße 12", "Hinterhaus", "Lübeck", "23552"),
  cac(
    "PartyTaxScheme",
    cbc("CompanyID", more.taxId ?? "DE 266541183"),
    cac("TaxScheme", cbc("ID", more.scheme ?? "VAT")),
  ),
  cac(
    "PartyLegalEntity",
    cbc("RegistrationName", name),
    ...(more.legal ?? [cbc("CompanyID", "HRB 20417")]),
  ),
  contact(
    ...(more.contact ?? [cbc("Name", "nicht vorhanden")]),
    cbc("Telephone", "+49 451 0000-17"),
    cbc("ElectronicMail", "rechnung@verkauf.example"),
  ),
];
const buyer = (
  more: {
    second?: string;
    names?: string[];
    lines?: string[];
    legal?: string[];
    contact?: string[];
  } = {},
) => [
  endpoint("eingang@kauf.example"),
  ...(more.names ?? []),
  address("Am Markt 1", more.second ?? "", "Schwerin", "19055", ...(more.lines ?? [])),
  cac("PartyLegalEntity", cbc("RegistrationName", "Amt für Brückenbau"), ...(more.legal ?? [])),
  ...(more.contact ? [contact(...more.contact)] : []),
];
const head = (
  id: string,
  day: string,
  note: string,
  more: { due?: string; taxPoint?: string; after?: string[] } = {},
) => [
  cbc("ID", id),
  cbc("IssueDate", day),
  more.due ? cbc("DueDate", more.due) : "",
  cbc("InvoiceTypeCode", "380"),
  cbc("Note", note),
  more.taxPoint ? cbc("TaxPointDate", more.taxPoint) : "",
  cbc("DocumentCurrencyCode", "EUR"),
  ...(more.after ?? [cbc("BuyerReference", "04011000-77001-55")]),
];
const terms = (text: string) => cac("PaymentTerms", cbc("Note", text));
const transfer = (...more: string[]) => cac("PaymentMeans", cbc("PaymentMeansCode", "58"), ...more);
const iban = "DE02120300000000202051";
const attached = Buffer.from("%PDF-1.4\n% Leistungsnachweis\n%%EOF\n".repeat(120)).toString(
  "base64",
);
const attachment = cac(
  "AdditionalDocumentReference",
  cbc("ID", "Nachweis-07.pdf"),
  cbc("DocumentDescription", "Aufstellung der Stunden"),
  cac(
    "Attachment",
    cbc(
      "EmbeddedDocumentBinaryObject",
      attached,
      ' mimeCode="application/pdf" filename="Nachweis-07.pdf"',
    ),
  ),
);
const zeroAllowance = (charge: boolean, code: string, reason: string) =>
  cac(
    "AllowanceCharge",
    cbc("ChargeIndicator", String(charge)),
    cbc("AllowanceChargeReasonCode", code),
    cbc("AllowanceChargeReason", reason),
    cbc("MultiplierFactorNumeric", "0"),
    amount("Amount", 0n),
    amount("BaseAmount", 0n),
    category("TaxCategory", "E", "0"),
  );

const subscription: Invoice = {
  name: "subscription",
  prefix: "ubl",
  head: head(
    "AB-2026/4711",
    "2026-11-04",
    "#ADU#Die Bedingungen finden Sie im Heft „Pflichten“ […].",
  ),
  seller: seller("Küstenverlag eG", {
    legal: [cbc("CompanyID", "GnR 88"), cbc("CompanyLegalForm", "22/333/4444, GnR 88 in […]")],
  }),
  buyer: buyer({ names: [ref("PartyIdentification", "Kunde 9")] }),
  middle: [
    transfer("<!-- a valid account that does not exist -->", account(iban)),
    terms("Zahlbar sofort ohne Abzug."),
  ],
  lines: [
    {
      id: "Heft [...]",
      name: "Brückenbau heute [...]",
      quantity: "1",
      unit: "XPP",
      price: "241.15",
      rate: "7",
      note: "Die letzte Lieferung erfolgt im Dezember / erfolgte direkt",
      period: ["2026-01-01", "2026-12-31"],
      order: "90210.4",
      description: "Zeitschrift, Inland",
      item:
        ref("SellersItemIdentification", "310") +
        cac("CommodityClassification", cbc("ItemClassificationCode", "0721-880X", ' listID="IB"')),
    },
    {
      id: "Porto + Versand",
      name: "Porto + Versand",
      quantity: "1",
      unit: "XPP",
      price: "18.85",
      rate: "7",
    },
  ],
};
const course: Invoice = {
  name: "outside-of-tax",
  prefix: "ubl",
  head: head("77/26/03", "2026-11-05", "#ADU#Nicht steuerbar: Satzungsgemäßer Zweck."),
  seller: seller("Verein für Brücken e.V.", {
    taxId: "22/293/55512",
    scheme: "FC",
    legal: [cbc("CompanyID", "VR 1207 HL")],
  }),
  buyer: buyer({ second: "Zimmer 4", contact: [cbc("Name", "Frau […]")] }),
  middle: [
    transfer(account(iban)),
    terms("Bitte 95,00 € unter Angabe der Nummer 77/26/03 überweisen."),
  ],
  untaxed: { category: "O", reason: cbc("TaxExemptionReason", "als gemeinnützig anerkannt") },
  lines: [
    {
      id: "Teilnahme",
      name: "Teilnahme am Kurs",
      description: "Anmeldung von […]",
      quantity: "1",
      unit: "XPP",
      price: "95",
      rate: "0",
    },
  ],
};
const hours: Invoice = {
  name: "attachment",
  prefix: "ubl",
  head: head("0000734512", "2026-11-06", "#ADU#Stunden laut Nachweis", {
    due: "2026-12-06",
    after: [
      cbc("BuyerReference", "11002002-45454-90"),
      ref("OrderReference", "10877"),
      ref("ContractDocumentReference", "0000000311"),
      attachment,
      ref("ProjectReference", "Neubau Nordbrücke"),
    ],
  }),
  seller: seller("Statik & Söhne GmbH".replace("&", "&amp;"), { taxId: "DE266541192" }),
  buyer: buyer({
    contact: [cbc("Name", "Einkauf"), cbc("ElectronicMail", "einkauf@kauf.example")],
  }),
  middle: [
    transfer(
      cbc("PaymentID", "0000734512"),
      account(iban, cbc("Name", "Statik GmbH"), ref("FinancialInstitutionBranch", "BYLADEM1001")),
    ),
    terms("Zahlbar in 30 Tagen."),
  ],
  lines: [
    {
      id: "1",
      name: "Statik",
      quantity: "38.5",
      unit: "HUR",
      price: "112.5",
      rate: "19",
      description: "Berechnung der Pfeiler",
    },
    { id: "2", name: "Fahrt", quantity: "210", unit: "KMT", price: "0.30", rate: "19" },
  ],
};
const everything: Invoice = {
  name: "everything",
  head: head("9917342", "2026-11-09", "#AAC#Alles, was es gibt", {
    due: "2026-11-30",
    taxPoint: "2026-11-09",
    after: [
      cbc("TaxCurrencyCode", "GBP"),
      cbc("BuyerReference", "90000000-12345-67"),
      period(["2026-01-01", "2026-10-31"]),
      cac("OrderReference", cbc("ID", "65007001"), cbc("SalesOrderID", "XYZ900")),
      ref("OriginatorDocumentReference", "ANG55"),
      ref("ContractDocumentReference", "0000000311"),
      attachment,
      ref("ProjectReference", "Südbrücke"),
    ],
  }),
  seller: seller("Beratung am Fluss GmbH", {
    taxId: "DE266541204",
    identifiers: [cac("PartyIdentification", cbc("ID", "4399901680401", ' schemeID="0088"'))],
    legal: [
      cbc("CompanyID", "5990011002203", ' schemeID="0088"'),
      cbc("CompanyLegalForm", "Sitz in Lübeck"),
    ],
    contact: [cbc("Name", "Frau Fischer")],
  }),
  buyer: buyer({
    second: "Haus B",
    names: [ref("PartyIdentification", "K-17"), partyName("Brückenamt")],
    lines: [cac("AddressLine", cbc("Line", "Eingang Süd"))],
    legal: [cbc("CompanyID", "90000000-12345-67", ' schemeID="0204"')],
    contact: [
      cbc("Name", "Herr Flößer"),
      cbc("Telephone", "0385 000011"),
      cbc("ElectronicMail", "floesser@kauf.example"),
    ],
  }),
  middle: [
    cac("PayeeParty", ref("PartyIdentification", "81"), partyName("Fluss Abrechnung GmbH")),
    cac(
      "TaxRepresentativeParty",
      partyName("Steuerkanzlei Ufer"),
      cac("PostalAddress", country),
      cac("PartyTaxScheme", cbc("CompanyID", "DE266541213"), vat),
    ),
    cac(
      "Delivery",
      cbc("ActualDeliveryDate", "2026-11-09"),
      cac(
        "DeliveryLocation",
        cbc("ID", "71"),
        cac(
          "Address",
          cbc("StreetName", "Baustelle 3"),
          cbc("AdditionalStreetName", "2. OG"),
          cbc("CityName", "Wismar"),
          cbc("PostalZone", "23966"),
          cbc("CountrySubentity", "Mecklenburg-Vorpommern"),
          country,
        ),
      ),
      cac("DeliveryParty", partyName("Bauleitung Südbrücke")),
    ),
    transfer(
      cbc("PaymentID", "Deb. 17 / 9917342"),
      account(
        iban,
        cbc("Name", "Fluss Abrechnung"),
        ref("FinancialInstitutionBranch", "BYLADEM1001"),
      ),
    ),
    terms("Bitte überweisen Sie bis zum 30.11.2026."),
    zeroAllowance(true, "TAC", "Probe"),
    zeroAllowance(false, "102", "Fester Vertrag"),
  ],
  furtherParts: [
    cac(
      "TaxSubtotal",
      amount("TaxableAmount", 0n),
      amount("TaxAmount", 0n),
      category("TaxCategory", "E", "0", cbc("TaxExemptionReasonCode", "VATEX-EU-132-1A")),
    ),
  ],
  otherTax: cac("TaxTotal", amount("TaxAmount", 128811n, "GBP")),
  furtherTotals: [amount("AllowanceTotalAmount", 0n), amount("ChargeTotalAmount", 0n)],
  lines: [
    {
      id: "1",
      name: "Beratung",
      quantity: "27",
      unit: "XPP",
      price: "131.25",
      rate: "19",
      note: "Abgerechnet im Oktober",
      period: ["2026-01-01", "2026-10-31"],
      order: "90210.7",
      description: "Anforderungen",
      item:
        ref("SellersItemIdentification", "2077") +
        cac("CommodityClassification", cbc("ItemClassificationCode", "0721-880X", ' listID="IB"')),
    },
    { id: "2", name: "Beratung", quantity: "30", unit: "XPP", price: "131.25", rate: "19" },
  ],
};
const energy: Invoice = {
  name: "thirty-lines-and-a-refund",
  head: head("R-2026-000188", "2026-11-10", "Jahresabrechnung Strom und Wasser"),
  seller: seller("Stadtwerke am Kai", {
    taxId: "DE266541229",
    identifiers: ["W-1", "W-2", "W-3"].map((id) => ref("PartyIdentification", id)),
  }),
  buyer: buyer({ contact: [cbc("Name", "Hausmeisterei")] }),
  middle: [
    cac(
      "PaymentMeans",
      cbc("PaymentMeansCode", "59"),
      cac("PaymentMandate", cbc("ID", "M-4451"), cac("PayerFinancialAccount", cbc("ID", iban))),
    ),
    terms("Das Guthaben erstatten wir auf Ihr Konto."),
  ],
  prepaid: 500_000n,
  lines: Array.from({ length: 30 }, (_, at) => {
    const water = at % 3 === 2;
    const month = String(1 + (at % 10)).padStart(2, "0");
    return {
      id: `${1 + (at % 3)}.${1 + Math.floor(at / 3)}`,
      name: water ? "Wasser" : at % 3 === 0 ? "Arbeitspreis Strom" : "Grundpreis Strom",
      quantity: water ? `${11 + at}.5` : String(119 + 7 * at),
      unit: water ? "MTQ" : at % 3 === 0 ? "KWH" : "DAY",
      price: water ? "1.842" : at % 3 === 0 ? "0.2185" : "0.1022",
      rate: water ? "7" : "19",
      note: `Zähler ${1000 + at}`,
      period: [`2026-${month}-01`, `2026-${month}-28`] as const,
    };
  }),
};

/** Name and XML text of each. */
export const ublSamples: readonly { name: string; text: string }[] = [
  subscription,
  course,
  hours,
  everything,
  energy,
].map((invoice) => ({
  name: `made/${invoice.name}.ubl.xml`,
  text: ublOf(invoice),
}));
