/**
 * External invoices (外部票): registers dropped files, with a result for each, and lists all
 * registrations. Registering claims the invoice, so no other employer can claim it afterwards.
 */
import {
  CheckCircleOutlined,
  ClockCircleOutlined,
  CloseCircleOutlined,
  FileExclamationOutlined,
  InboxOutlined,
  SearchOutlined,
} from "@ant-design/icons";
import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { Alert, Button, Card, Checkbox, Collapse, Input, Progress, Select, Upload } from "antd";
import { useRef, useState } from "react";
import { Link } from "react-router";
import { ask, Refusal, type Schemas } from "../../shared/client.ts";
import { type CreditNote, Originals } from "../../shared/credits.tsx";
import { mediaTypeOf } from "../../shared/file-type.ts";
import { useFormats } from "../../shared/formats.ts";
import { Page } from "../../shared/frame.tsx";
import { newOnce, type Once } from "../../shared/intentions.ts";
import { useSharedWords } from "../../shared/messages.ts";
import { BrokenRules, Loaded, More } from "../../shared/problem.tsx";
import { useSession } from "../../shared/session.tsx";
import { InvoiceNumber, Money, StateTag, Time, Total } from "../../shared/show.tsx";
import { figureOf } from "../../shared/typed.ts";
import { changed } from "./decide.tsx";
import { Holder } from "./inbox.tsx";
import { useWords } from "./messages.ts";
import { usePersons } from "./names.ts";
import { NearDuplicates } from "./near.tsx";
import { Proofs } from "./proofs.tsx";
import { Refused } from "./refused.tsx";

type Summary = Schemas["ExternalInvoiceSummary"];
type Look = Schemas["ExternalLook"];
/** What only the answer to a registration says, and a look. */
type Remarks = Pick<Look, "nearDuplicates" | "notes">;
type Registered = Schemas["ExternalInvoice"] & Remarks;
type Taken = { id: string; claim: { id: string } } & Remarks;
/** `dryRun`: the file is only looked up. `collected`: beside the gross, if it is not "". */
type Wish = { holder: string; dryRun: boolean; collected: string };
type Sent = Wish & { key: string; file: File; once: Once };
type Dropped = Sent &
  (
    | { state: "waiting" | "running" }
    | { state: "done"; made: Registered }
    | { state: "looked"; look: Look }
    | { state: "noted"; note: CreditNote }
    | { state: "pending"; made: Taken }
    | { state: "refused"; error: unknown }
  );

const PAGE = 20;
const SIDE_BY_SIDE = 3;
/** The gateway's default limit for a body. */
const MAX_BYTES = 10 * 1_048_576;

async function register(
  { file, holder, dryRun, collected, once }: Sent,
  self: string,
): Promise<Registered | Taken | Look | CreditNote> {
  if (file.size > MAX_BYTES) throw new Refusal("body-too-large");
  const type = mediaTypeOf(await file.slice(0, 1_024).arrayBuffer());
  const query = {
    ...(holder === self ? {} : { holder }),
    ...(dryRun ? ({ dryRun: "true" } as const) : {}),
    ...(collected === "" ? {} : { collected }),
  };
  return ask("POST /v1/external-invoices", { ...once, query, body: file, type });
}

const sentOf = ({ key, file, holder, dryRun, collected, once }: Sent): Sent => ({
  key,
  file,
  holder,
  dryRun,
  collected,
  once,
});

/** The queue of dropped files: a few at a time, in the order in which they were dropped. */
function useQueue() {
  const { account } = useSession();
  const queries = useQueryClient();
  const [all, setAll] = useState<readonly Dropped[]>([]);
  const queue = useRef<Dropped[]>([]);
  const running = useRef(0);
  const serial = useRef(0);
  const put = (next: Dropped) =>
    setAll((now) => now.map((entry) => (entry.key === next.key ? next : entry)));

  async function work(): Promise<void> {
    running.current += 1;
    for (let next = queue.current.shift(); next !== undefined; next = queue.current.shift()) {
      const base = sentOf(next);
      put({ ...base, state: "running" });
      try {
        const registration = await register(next, account);
        if ("effects" in registration) put({ ...base, state: "noted", note: registration });
        else if ("ids" in registration) put({ ...base, state: "looked", look: registration });
        else if ("document" in registration) put({ ...base, state: "done", made: registration });
        else put({ ...base, state: "pending", made: registration });
      } catch (error) {
        put({ ...base, state: "refused", error });
      }
    }
    running.current -= 1;
    if (running.current === 0)
      for (const queryKey of changed) void queries.invalidateQueries({ queryKey });
  }
  const push = (dropped: Dropped) => {
    queue.current.push(dropped);
    if (running.current < SIDE_BY_SIDE) void work();
  };
  return {
    all,
    add(file: File, wish: Wish) {
      serial.current += 1;
      const dropped: Dropped = {
        ...wish,
        key: String(serial.current),
        file,
        once: newOnce(),
        state: "waiting",
      };
      setAll((now) => [...now, dropped]);
      push(dropped);
    },
    /** Uses the same key, so work that was done is not repeated. */
    again(dropped: Dropped) {
      const waiting: Dropped = { ...sentOf(dropped), state: "waiting" };
      put(waiting);
      push(waiting);
    },
    clear: () =>
      setAll((now) => now.filter(({ state }) => state === "waiting" || state === "running")),
  };
}

const icons = {
  waiting: <ClockCircleOutlined />,
  running: <ClockCircleOutlined />,
  pending: <ClockCircleOutlined />,
  done: <CheckCircleOutlined />,
  looked: <SearchOutlined />,
  noted: <FileExclamationOutlined />,
  refused: <CloseCircleOutlined />,
};

/** What a credit note takes back, and what it does to the claims of its originals. */
function NoteLine({ note, dryRun }: { note: CreditNote; dryRun: boolean }) {
  const say = useWords();
  const { number, seller, amount, currency, credit } = note;
  return (
    <>
      <div className="row">
        <span>
          {seller} · {number}
        </span>
        <Money amount={amount} currency={currency} strong />
        {dryRun && credit === undefined ? <span className="quiet">{say("note.look")}</span> : null}
      </div>
      <Originals note={note} />
    </>
  );
}

/** What a look has found: whether the invoice is free, and since when it is not. */
function LookLine({ look }: { look: Look }) {
  const say = useWords();
  const { state, number, original } = look;
  return (
    <>
      <div className="row">
        <strong>{say(`look.${state}`)}</strong>
        <InvoiceNumber number={number} />
        {original === undefined ? null : (
          <>
            <StateTag state={original.state} />
            <Time at={original.since} />
          </>
        )}
        {original?.claim === undefined ? null : (
          <Link className="target" to={`/employer/claims/${original.claim}`}>
            {say("refused.claim")}
          </Link>
        )}
      </div>
      <Notes notes={look.notes} />
    </>
  );
}

/** What is unusual about a document, although its standard allows it. */
function Notes({ notes }: { notes: Remarks["notes"] }) {
  const say = useWords();
  if (notes === undefined) return null;
  return (
    <section>
      <strong>{say("external.notes")}</strong>
      <BrokenRules rules={notes} />
    </section>
  );
}

function FileLine({ dropped, onAgain }: { dropped: Dropped; onAgain: () => void }) {
  const say = useWords();
  const shared = useSharedWords();
  const { file, state } = dropped;
  return (
    <li>
      <div className="row">
        <span className={`result result-${state}`}>
          {icons[state]} {say(`file.${state}`)}
        </span>
        <span className="breaks">{file.name}</span>
        {dropped.state === "refused" &&
        dropped.error instanceof Refusal &&
        dropped.error.passing ? (
          <Button onClick={onAgain}>{shared("retry")}</Button>
        ) : null}
      </div>
      {dropped.state === "done" ? (
        <>
          <div className="row">
            <Link className="target" to={`/employer/claims/${dropped.made.claim.id}`}>
              {dropped.made.seller} · {dropped.made.number}
            </Link>
            <Total amounts={[dropped.made]} />
          </div>
          <Notes notes={dropped.made.notes} />
          <Collapse
            ghost
            size="small"
            items={[
              {
                key: "proofs",
                label: say("proofs.title"),
                children: <Proofs external={dropped.made} />,
              },
            ]}
          />
        </>
      ) : null}
      {dropped.state === "looked" ? <LookLine look={dropped.look} /> : null}
      {dropped.state === "done" || dropped.state === "pending" ? (
        <NearDuplicates matches={dropped.made.nearDuplicates} />
      ) : null}
      {dropped.state === "looked" ? <NearDuplicates matches={dropped.look.nearDuplicates} /> : null}
      {dropped.state === "noted" ? <NoteLine note={dropped.note} dryRun={dropped.dryRun} /> : null}
      {dropped.state === "refused" ? <Refused error={dropped.error} /> : null}
    </li>
  );
}

function Register() {
  const say = useWords();
  const session = useSession();
  const persons = usePersons();
  const { all: allFormats } = useFormats();
  const [holder, setHolder] = useState(session.account);
  const [dryRun, setDryRun] = useState(false);
  const [typed, setTyped] = useState("");
  const collected = figureOf(typed);
  const isAmount = collected === "" || /^\d{1,13}(?:\.\d{2,3})?$/.test(collected);
  const { all, add, again, clear } = useQueue();
  const finished = all.filter(({ state }) => state !== "waiting" && state !== "running").length;
  const registered = all.filter((dropped) => !dropped.dryRun);
  const done = registered.filter(({ state }) => state === "done" || state === "noted").length;
  return (
    <Card title={<h2>{say("external.register")}</h2>}>
      <div className="stack">
        <div>
          <label htmlFor="external-holder" className="block quiet">
            {say("external.holder")}
          </label>
          <Select
            id="external-holder"
            className="person-select"
            value={holder}
            onChange={setHolder}
            showSearch={{ optionFilterProp: "label" }}
            options={[
              { value: session.account, label: say("external.holder.self") },
              ...persons.map(({ account, name }) => ({
                value: account,
                label: `${name} · ${account.slice(0, 6)}…${account.slice(-4)}`,
              })),
            ]}
          />
        </div>
        <Checkbox checked={dryRun} onChange={({ target }) => setDryRun(target.checked)}>
          {say("external.look")}
        </Checkbox>
        {dryRun ? null : (
          <div>
            <label htmlFor="external-collected" className="block quiet">
              {say("external.collected")}
            </label>
            <Input
              id="external-collected"
              className="person-select"
              inputMode="decimal"
              autoComplete="off"
              value={typed}
              status={isAmount ? "" : "error"}
              onChange={({ target }) => setTyped(target.value)}
              aria-describedby="external-collected-help"
            />
            <div id="external-collected-help" className="quiet small" role="status">
              {say(isAmount ? "external.collected.help" : "external.collected.bad")}
            </div>
          </div>
        )}
        <Upload.Dragger
          disabled={!isAmount && !dryRun}
          multiple
          showUploadList={false}
          beforeUpload={(file) => {
            add(file, { holder, dryRun, collected: dryRun ? "" : collected });
            // not for the files that are dropped next
            setTyped("");
            return Upload.LIST_IGNORE;
          }}
        >
          <p className="drop-icon">
            <InboxOutlined />
          </p>
          <p>{say("external.drop")}</p>
          <p className="quiet small">{say("external.drop.help", { formats: allFormats })}</p>
        </Upload.Dragger>
        {all.length > 0 ? (
          <section aria-label={say("external.results")} className="stack">
            <div className="row between">
              <strong role="status">
                {finished < all.length
                  ? say("result.progress", { over: finished, all: all.length })
                  : registered.length === 0
                    ? say("external.looked", { all: all.length })
                    : say("external.summary", { done, all: registered.length })}
              </strong>
              {finished > 0 ? <Button onClick={clear}>{say("external.clear")}</Button> : null}
            </div>
            <Progress
              percent={Math.round((100 * finished) / all.length)}
              showInfo={false}
              aria-label={say("external.results")}
              status="normal"
            />
            <ul className="plain-list">
              {all.map((dropped) => (
                <FileLine key={dropped.key} dropped={dropped} onAgain={() => again(dropped)} />
              ))}
            </ul>
          </section>
        ) : null}
        <Alert
          type="info"
          showIcon
          title={say("external.note")}
          description={say("external.note.detail")}
        />
      </div>
    </Card>
  );
}

function External({ registration }: { registration: Summary }) {
  const say = useWords();
  const { number, claim, holder, registeredAt, seller } = registration;
  return (
    <Card size="small">
      <div className="row between">
        <StateTag state={claim.status} />
        <span className="quiet small">
          <Time at={registeredAt} />
        </span>
      </div>
      <Link to={`/employer/claims/${claim.id}`} className="invoice-link">
        {seller}
      </Link>
      <Total amounts={[registration]} />
      <div className="row between quiet small">
        <InvoiceNumber number={number} />
        <Holder account={holder} />
      </div>
      <Collapse
        ghost
        size="small"
        items={[
          {
            key: "proofs",
            label: say("proofs.title"),
            children: <Proofs external={registration} />,
          },
        ]}
      />
    </Card>
  );
}

export function ExternalPage() {
  const say = useWords();
  const pages = useInfiniteQuery({
    queryKey: ["externals"],
    queryFn: ({ pageParam }) =>
      ask("GET /v1/external-invoices", {
        query: { limit: PAGE, ...(pageParam === "" ? {} : { before: pageParam }) },
      }),
    initialPageParam: "",
    getNextPageParam: ({ next }) => next,
  });
  const listed = { ...pages, data: pages.data?.pages.flatMap(({ items }) => items) };
  return (
    <Page title={say("external.title")}>
      <div className="stack">
        <Register />
        <section>
          <h2>{say("external.list")}</h2>
          <Loaded
            query={listed}
            empty={(items) => items.length === 0}
            nothing={say("external.empty")}
          >
            {(items) => (
              <ul className="cards">
                {items.map((registration) => (
                  <li key={registration.claim.id}>
                    <External registration={registration} />
                  </li>
                ))}
              </ul>
            )}
          </Loaded>
        </section>
        <More query={pages} />
      </div>
    </Page>
  );
}
