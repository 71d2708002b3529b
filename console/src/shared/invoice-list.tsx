/**
 * A party's list of invoices, page by page, and the filter above it. The filter is part of the
 * page's address, so a reload and a link keep it. Its days are days in China, whatever the
 * browser's clock.
 */

import { isTaxId } from "@onepiao/protocol/values/tax-id.ts";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Button, Empty, Segmented } from "antd";
import { useSearchParams } from "react-router";
import { ask } from "./client.ts";
import { endsOf } from "./days.ts";
import { defined } from "./defined.ts";
import {
  type Days,
  FilterDays,
  FilterForm,
  FilterPlace,
  FilterText,
  type Place,
} from "./filter.tsx";
import {
  countOf,
  type InvoiceFilter,
  type InvoiceState,
  isFiltered,
  queryOf,
  readInvoiceFilter,
  typedFilter,
} from "./invoice-filter.ts";
import { useStateName } from "./show.tsx";
import { taxIdOf } from "./typed.ts";
import { wordsOf } from "./words.ts";

const useWords = wordsOf("invoice-list", {
  "zh-CN": {
    state: "按状态筛选",
    all: "全部",
    text: "发票号码或单据号",
    buyer: "购买方税号",
    seller: "销售方税号",
    "taxId.bad": "税号不正确，请核对",
    days: "受理日期（北京时间）",
    from: "受理日期从（北京时间）",
    to: "到",
    find: "查找",
    clear: "清除筛选",
    none: "没有符合条件的发票",
  },
  "en-US": {
    state: "Filter by status",
    all: "All",
    text: "Invoice or document number",
    buyer: "Buyer's tax ID",
    seller: "Seller's tax ID",
    "taxId.bad": "Invalid tax ID. Check the number.",
    days: "Accepted (Beijing time)",
    from: "Accepted from (Beijing time)",
    to: "To",
    find: "Find",
    clear: "Clear filters",
    none: "No matching invoices",
  },
});

/** The filter in this page's address, and a function that changes it. */
export function useInvoiceFilter() {
  const [search, setSearch] = useSearchParams();
  const filter = readInvoiceFilter(search);
  return {
    filter,
    filtered: isFiltered(filter),
    setFilter: (next: InvoiceFilter) => setSearch(Object.entries(next)),
  };
}

/** Page by page, the newest first. */
export function useInvoiceList(
  as: "issuer" | "holder" | "employer",
  filter: InvoiceFilter,
  limit = 50,
) {
  const query = useInfiniteQuery({
    queryKey: ["invoices", as, filter],
    queryFn: ({ pageParam: after }) =>
      ask("GET /v1/invoices", {
        query: { as, order: "desc", limit, ...queryOf(filter), ...defined({ after }) },
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next,
  });
  return { ...query, data: query.data?.pages.flatMap((page) => page.items) };
}

type Fields = { text?: string; taxId?: string; days?: Days };
type Asked = {
  /** Whose tax id the filter asks for. */
  party: "buyer" | "seller";
  filter: InvoiceFilter;
  onFilter: (filter: InvoiceFilter) => void;
  /** Called with a typed invoice or document number. Without it, the filter has no such field. */
  onText?: (text: string, filter: InvoiceFilter) => void;
  busy?: boolean;
};

function InvoiceFilterForm({
  party,
  filter,
  onFilter,
  onText,
  busy = false,
  place,
}: Asked & { place: Place }) {
  const say = useWords();
  const submit = ({ text = "", taxId = "", days }: Fields) => {
    const next = typedFilter(filter.state, party, taxId, endsOf(days));
    if (text.trim()) onText?.(text.trim(), next);
    else onFilter(next);
  };
  return (
    <FilterForm<Fields> place={place} find={say("find")} busy={busy} onFind={submit}>
      {onText === undefined ? null : (
        <FilterText name="text" label={say("text")} value={filter.source} />
      )}
      <FilterText
        name="taxId"
        label={say(party)}
        value={filter[party]}
        max={40}
        wrong={(text) => (isTaxId(taxIdOf(text)) ? undefined : say("taxId.bad"))}
      />
      <FilterDays
        place={place}
        ends={filter}
        labels={{ days: say("days"), from: say("from"), to: say("to") }}
      />
    </FilterForm>
  );
}

/** The states and the other conditions: side by side on a desk, in a drawer on a phone. */
export function FilterBar({
  states: shown = [],
  ...asked
}: Asked & { states?: readonly InvoiceState[] }) {
  const say = useWords();
  const stateName = useStateName();
  const { filter, onFilter } = asked;
  const clear = isFiltered(filter) ? (
    <Button type="link" onClick={() => onFilter({})}>
      {say("clear")}
    </Button>
  ) : null;
  return (
    <>
      <FilterPlace count={countOf(filter)} clear={clear}>
        {(place) => <InvoiceFilterForm {...asked} place={place} />}
      </FilterPlace>
      {shown.length === 0 ? null : (
        <div className="scrolls">
          <Segmented<InvoiceState | "all">
            aria-label={say("state")}
            value={filter.state ?? "all"}
            onChange={(state) =>
              onFilter(defined({ ...filter, state: state === "all" ? undefined : state }))
            }
            options={[
              { value: "all" as const, label: say("all") },
              ...shown.map((value) => ({ value, label: stateName(value) })),
            ]}
          />
        </div>
      )}
    </>
  );
}

/** Shown in place of a list without a match. */
export function NothingFound() {
  const say = useWords();
  return <Empty description={say("none")} image={Empty.PRESENTED_IMAGE_SIMPLE} />;
}
