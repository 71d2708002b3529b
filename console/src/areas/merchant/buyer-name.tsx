/**
 * The field of the buyer's name: what is typed is searched in the directory of companies, and a
 * picked company fills in its name and tax ID. Any other name can be typed as well.
 */
import { useQuery } from "@tanstack/react-query";
import { AutoComplete, Input } from "antd";
import { useEffect, useState } from "react";
import { ask } from "../../shared/client.ts";

export type Company = { taxId: string; name: string };

/** The search waits for a pause in the typing. */
const PAUSE_MS = 250;
/** A single character finds too many companies. */
const SHORTEST = 2;
const SHOWN = 10;

/** The text as it was when the typing paused. */
function usePaused(text: string): string {
  const [paused, setPaused] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setPaused(text), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return paused;
}

/** `value` and `onChange`: given by the form. */
export function BuyerName({
  id,
  value,
  onChange,
  onPick,
}: {
  id?: string;
  value?: string;
  onChange?: (name: string) => void;
  onPick: (company: Company) => void;
}) {
  const [typed, setTyped] = useState("");
  const text = usePaused(typed.trim());
  const companies = useQuery({
    queryKey: ["directory", text],
    queryFn: () =>
      ask("GET /v1/taxpayers/directory", { query: { name: text.slice(0, 200), limit: SHOWN } }),
    enabled: text.length >= SHORTEST,
    staleTime: 60_000,
  });
  const items = text.length < SHORTEST ? [] : (companies.data?.items ?? []);
  return (
    <AutoComplete
      {...(id === undefined ? {} : { id })}
      value={value ?? ""}
      options={items.map(({ taxId, name }) => ({
        value: taxId,
        label: (
          <div>
            <div>{name}</div>
            <div className="quiet small number">{taxId}</div>
          </div>
        ),
      }))}
      onSearch={setTyped}
      onSelect={(taxId: string) => {
        const company = items.find((item) => item.taxId === taxId);
        if (company === undefined) return;
        setTyped("");
        onPick(company);
      }}
      // a picked option would write its value, the tax ID, into the name
      onChange={(text: string) => {
        if (items.some(({ taxId }) => taxId === text)) return;
        onChange?.(text);
      }}
    >
      <Input maxLength={300} autoComplete="off" />
    </AutoComplete>
  );
}
