/**
 * Which reports the inbox shows: by state, by an invoice that is in them, by day. It stands in the page's address: a reload and a link
 * keep it. Days are China's, whatever clock the browser has.
 */

import { isTaxId, normaliseTaxId } from "@onepiao/protocol/values/tax-id.ts";
import { Button, Select } from "antd";
import { useSearchParams } from "react-router";
import { api, ask } from "../../shared/client.ts";
import { type Days, endsOf, FilterDays, FilterForm, FilterPlace, FilterText, given, isDay, type Place, rangeOf } from "../../shared/filter.tsx";
import { useStateName } from "../../shared/show.tsx";
import { useWords } from "./messages.ts";

const states = ["claimed", "submitted", "reimbursed", "rejected", "withdrawn", "refused", "reversed", "all"] as const;
type ClaimState = (typeof states)[number];
/** `invoice`: a number, or with `seller` that of an original that was issued elsewhere. `from`, `to`: the first day and the last one. */
export type ClaimFilter = { state: ClaimState; invoice?: string; seller?: string; from?: string; to?: string };

/** The filter of this page's address, and what changes it. What cannot be read there is as if it were not there. */
export function useClaimFilter() {
  const [search, setSearch] = useSearchParams();
  const read = (name: string, good: (text: string) => boolean = Boolean) => {
    const text = search.get(name);
    return text !== null && good(text) ? text : undefined;
  };
  const state = states.find((one) => one === search.get("state")) ?? "claimed";
  const rest = given({ invoice: read("invoice"), seller: read("seller", isTaxId), from: read("from", isDay), to: read("to", isDay) });
  const setFilter = ({ state: next, ...others }: ClaimFilter) =>
    setSearch([...(next === "claimed" ? [] : [["state", next] as [string, string]]), ...Object.entries(others)]);
  return { filter: { state, ...rest }, filtered: Object.keys(rest).length > 0, setFilter };
}

/** A page of the employer's reports. */
export const claimPage = ({ state, invoice, seller, from, to }: ClaimFilter, before: string, limit: number) => {
  const asked = { invoice, seller, ...rangeOf({ from, to }), status: state === "all" ? undefined : state, before: before === "" ? undefined : before };
  return ask(api.GET("/v1/claims", { params: { query: { as: "employer", limit, ...given(asked) } } }));
};

type Fields = { invoice?: string; seller?: string; days?: Days };
type Asked = { filter: ClaimFilter; onFilter: (filter: ClaimFilter) => void };

function ClaimFilterForm({ filter, onFilter, place }: Asked & { place: Place }) {
  const say = useWords();
  const { state, invoice } = filter;
  const submit = ({ invoice: typed = "", seller = "", days }: Fields) => {
    const number = typed.trim() || undefined;
    // whoever looks for one invoice does not know the state that its report is in
    const wide = number !== undefined && number !== invoice ? "all" : state;
    onFilter({ state: wide, ...given({ invoice: number, seller: seller.trim() ? normaliseTaxId(seller) : undefined, ...endsOf(days) }) });
  };
  return (
    <FilterForm<Fields> place={place} find={say("inbox.find")} onFind={submit}>
      <FilterText name="invoice" label={say("inbox.invoice")} value={invoice} />
      <FilterText
        name="seller"
        label={say("inbox.seller")}
        value={filter.seller}
        max={40}
        wrong={(text) => (isTaxId(normaliseTaxId(text)) ? undefined : say("inbox.seller.bad"))}
      />
      <FilterDays place={place} ends={filter} labels={{ days: say("inbox.days"), from: say("inbox.from"), to: say("inbox.to") }} />
    </FilterForm>
  );
}

export function ClaimFilterBar({ filter, onFilter }: Asked) {
  const say = useWords();
  const stateName = useStateName();
  const { state, from, to, invoice, seller } = filter;
  const count = [from ?? to, invoice, seller].filter(Boolean).length;
  const clear =
    count === 0 ? null : (
      <Button type="link" onClick={() => onFilter({ state })}>
        {say("inbox.clear")}
      </Button>
    );
  return (
    <>
      <FilterPlace count={count} clear={clear}>
        {(place) => <ClaimFilterForm filter={filter} onFilter={onFilter} place={place} />}
      </FilterPlace>
      <div className="row">
        <Select<ClaimState>
          aria-label={say("inbox.filter")}
          className="state-filter"
          value={state}
          onChange={(next) => onFilter({ ...filter, state: next })}
          options={states.map((value) => ({
            value,
            label: value === "all" ? say("inbox.all") : value === "claimed" ? say("inbox.open.state") : stateName(value),
          }))}
        />
      </div>
    </>
  );
}
