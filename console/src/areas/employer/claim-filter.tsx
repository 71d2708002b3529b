/**
 * The inbox's filter: by state, by an invoice in the report, by day. It is part of the page's
 * address, so a reload and a link keep it. Its days are days in China, whatever the browser's
 * clock.
 */

import { isTaxId } from "@onepiao/protocol/values/tax-id.ts";
import { Button, Select } from "antd";
import { useSearchParams } from "react-router";
import { ask } from "../../shared/client.ts";
import { endsOf } from "../../shared/days.ts";
import {
  type Days,
  FilterDays,
  FilterForm,
  FilterPlace,
  FilterText,
  type Place,
} from "../../shared/filter.tsx";
import { useStateName } from "../../shared/show.tsx";
import { taxIdOf } from "../../shared/typed.ts";
import {
  type ClaimFilter,
  type ClaimState,
  claimAddress,
  claimQuery,
  claimStates,
  narrowing,
  readClaimFilter,
  typedClaimFilter,
} from "./claim-query.ts";
import { useWords } from "./messages.ts";

/** The filter in this page's address, and a function that changes it. */
export function useClaimFilter() {
  const [search, setSearch] = useSearchParams();
  const filter = readClaimFilter(search);
  return {
    filter,
    filtered: Object.keys(narrowing(filter)).length > 0,
    setFilter: (next: ClaimFilter) => setSearch(claimAddress(next)),
  };
}

/** A page of the employer's reports. */
export const claimPage = (filter: ClaimFilter, before: string, limit: number) =>
  ask("GET /v1/claims", { query: { as: "employer", limit, ...claimQuery(filter, before) } });

type Fields = { invoice?: string; seller?: string; days?: Days };
type Asked = { filter: ClaimFilter; onFilter: (filter: ClaimFilter) => void };

function ClaimFilterForm({ filter, onFilter, place }: Asked & { place: Place }) {
  const say = useWords();
  const submit = ({ days, ...typed }: Fields) =>
    onFilter(typedClaimFilter(filter, typed, endsOf(days)));
  return (
    <FilterForm<Fields> place={place} find={say("inbox.find")} onFind={submit}>
      <FilterText name="invoice" label={say("inbox.invoice")} value={filter.invoice} />
      <FilterText
        name="seller"
        label={say("inbox.seller")}
        value={filter.seller}
        max={40}
        wrong={(text) => (isTaxId(taxIdOf(text)) ? undefined : say("inbox.seller.bad"))}
      />
      <FilterDays
        place={place}
        ends={filter}
        labels={{ days: say("inbox.days"), from: say("inbox.from"), to: say("inbox.to") }}
      />
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
          options={claimStates.map((value) => ({
            value,
            label:
              value === "all"
                ? say("inbox.all")
                : value === "claimed"
                  ? say("inbox.open.state")
                  : stateName(value),
          }))}
        />
      </div>
    </>
  );
}
