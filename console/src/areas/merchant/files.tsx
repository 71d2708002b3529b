/**
 * Issues dropped files, many at once. Each file is an invoice of its own, sent under a key made
 * from its content. If the same file is sent again, even weeks later, the gateway answers with the
 * existing number. A few files go at a time, and each shows its result.
 */
import {
  CheckCircleOutlined,
  ClockCircleOutlined,
  CloseCircleOutlined,
  InboxOutlined,
  SyncOutlined,
} from "@ant-design/icons";
import { useQueryClient } from "@tanstack/react-query";
import { Button, Progress, Tag, Upload } from "antd";
import { useEffect, useReducer, useRef } from "react";
import { Link } from "react-router";
import { answerOf, Refusal, type Schemas } from "../../shared/client.ts";
import { mediaTypeOf } from "../../shared/file-type.ts";
import { useFormats } from "../../shared/formats.ts";
import { newOnce } from "../../shared/intentions.ts";
import { ProblemNote, useProblemWords } from "../../shared/problem.tsx";
import { InvoiceNumber } from "../../shared/show.tsx";
import { useWords } from "./messages.ts";

/** Files sent at the same time: the gateway seals what arrives together in one lot. */
const AT_ONCE = 4;
/** Larger files are not even read. The gateway's own limit is up to its operator. */
const MAX_BYTES = 20_000_000;
/** The pause after the gateway's rate limit was reached. */
const PAUSE_MS = 5_000;
const SHOWN = 200;

type Answer = Schemas["InvoiceReceipt"] | Schemas["RedLetterReceipt"];
type Sent = { id: number; file: File } & (
  | { state: "waits" | "sending" }
  | { state: "done"; answer: Answer; before: boolean }
  | { state: "refused"; error: unknown }
);

let ids = 0;

/**
 * The key of a file's content. Where the page cannot hash (no HTTPS), a new key; the document
 * number in the file then prevents duplicates.
 */
async function onceFor(bytes: ArrayBuffer) {
  const once = newOnce();
  if (crypto.subtle === undefined) return once;
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return {
    ...once,
    key: `file-${[...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`,
  };
}

type Result = { answer: Answer; before: boolean };

async function send(file: File): Promise<Result> {
  const bytes = await file.arrayBuffer();
  const { key } = await onceFor(bytes);
  // by content, not by name: the same bytes are always the same request under one key
  const { body, replayed } = await answerOf("POST /v1/invoices", {
    key,
    body: bytes,
    type: mediaTypeOf(bytes),
  });
  return { answer: body, before: replayed };
}

/** The rate limit is not an error of the file, so it waits and sends again. */
const patiently = (file: File): Promise<Result> =>
  send(file).catch(async (error: unknown) => {
    if (!(error instanceof Refusal) || error.code !== "rate-limited") throw error;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    return patiently(file);
  });

const icons = {
  waits: <ClockCircleOutlined />,
  sending: <SyncOutlined spin />,
  done: <CheckCircleOutlined />,
  refused: <CloseCircleOutlined />,
};
const looks = { waits: "quiet", sending: "busy", done: "good", refused: "bad" } as const;

function Row({ sent }: { sent: Sent }) {
  const say = useWords();
  return (
    <li className="file">
      <div className="row between">
        <span className="breaks">{sent.file.name}</span>
        <Tag
          icon={icons[sent.state]}
          variant="outlined"
          className={`state state-${looks[sent.state]}`}
        >
          {say(
            sent.state === "done" && sent.before
              ? "files.state.before"
              : `files.state.${sent.state}`,
          )}
        </Tag>
      </div>
      {sent.state === "done" ? (
        "number" in sent.answer ? (
          <Link to={`/merchant/invoices/${sent.answer.number}`}>
            <InvoiceNumber number={sent.answer.number} />
          </Link>
        ) : (
          <Link to={`/merchant/red-letters/${sent.answer.redLetter.id}`}>
            {say("files.redLetter")}
          </Link>
        )
      ) : null}
      {sent.state === "refused" ? <ProblemNote error={sent.error} /> : null}
    </li>
  );
}

export function Files() {
  const say = useWords();
  const words = useProblemWords();
  const { all } = useFormats();
  const queries = useQueryClient();
  const list = useRef<Sent[]>([]);
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const running = useRef(0);

  const put = (sent: Sent) => {
    list.current = list.current.map((entry) => (entry.id === sent.id ? sent : entry));
    redraw();
  };
  const next = () => {
    while (running.current < AT_ONCE) {
      const entry = list.current.find(({ state }) => state === "waits");
      if (entry === undefined) return;
      running.current += 1;
      const { id, file } = entry;
      put({ id, file, state: "sending" });
      const whole =
        file.size > MAX_BYTES ? Promise.reject(new Error(say("files.large"))) : patiently(file);
      void whole
        .then(
          (result) => put({ id, file, state: "done", ...result }),
          (error: unknown) => put({ id, file, state: "refused", error }),
        )
        .then(() => {
          running.current -= 1;
          if (running.current === 0)
            for (const queryKey of [["invoices"], ["quota"], ["segments"]])
              void queries.invalidateQueries({ queryKey });
          next();
        });
    }
  };
  const take = (files: readonly File[]) => {
    list.current = [
      ...list.current,
      ...files.map((file): Sent => ({ id: ids++, file, state: "waits" })),
    ];
    redraw();
    next();
  };
  const again = () => {
    list.current = list.current.map(({ id, file, ...entry }) =>
      entry.state === "refused" ? { id, file, state: "waits" } : ({ id, file, ...entry } as Sent),
    );
    redraw();
    next();
  };
  const clear = () => {
    list.current = list.current.filter(({ state }) => state === "waits" || state === "sending");
    redraw();
  };

  const sent = list.current;
  const count = (state: Sent["state"]) => sent.filter((entry) => entry.state === state).length;
  const [done, refused] = [count("done"), count("refused")];
  const busy = done + refused < sent.length;
  // leaving the page loses this list, not the invoices; the browser asks first
  useEffect(() => {
    if (!busy) return;
    const stay = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", stay);
    return () => removeEventListener("beforeunload", stay);
  }, [busy]);
  const lost = sent.filter(
    (entry) => entry.state === "refused" && entry.error instanceof Refusal && entry.error.passing,
  ).length;
  // failures first, then the order in which the files were dropped
  const shown = [
    ...sent.filter(({ state }) => state === "refused"),
    ...sent.filter(({ state }) => state !== "refused"),
  ];
  return (
    <div className="stack">
      <Upload.Dragger
        multiple
        showUploadList={false}
        beforeUpload={(file, all) => {
          // called once for each file; the last call has them all
          if (file === all.at(-1)) take(all);
          return false;
        }}
      >
        <p className="drop-icon">
          <InboxOutlined />
        </p>
        <p>{say("files.drop")}</p>
        <p className="quiet small">{say("files.how", { formats: all })}</p>
      </Upload.Dragger>
      {sent.length === 0 ? null : (
        <section aria-label={say("files.results")} className="stack">
          <div role="status" aria-live="polite">
            {say("files.progress", { done, refused, all: sent.length })}
          </div>
          <Progress
            percent={Math.round(((done + refused) / sent.length) * 100)}
            status={busy ? "active" : refused > 0 ? "exception" : "success"}
            aria-label={say("files.results")}
          />
          <div className="row">
            {refused > 0 && !busy ? (
              <Button onClick={again} type={lost > 0 ? "primary" : "default"}>
                {say("files.again", { count: refused })}
              </Button>
            ) : null}
            <Button onClick={clear} disabled={done + refused === 0}>
              {say("files.clear")}
            </Button>
            {lost > 0 ? (
              <span className="quiet">{words(new Refusal("offline")).detail}</span>
            ) : null}
          </div>
          <ul className="plain-list">
            {shown.slice(0, SHOWN).map((entry) => (
              <Row key={entry.id} sent={entry} />
            ))}
          </ul>
          {sent.length > SHOWN ? (
            <p className="quiet">{say("files.more", { count: sent.length - SHOWN })}</p>
          ) : null}
        </section>
      )}
    </div>
  );
}
