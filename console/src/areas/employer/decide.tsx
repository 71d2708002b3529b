/**
 * Decides about reports: reimburses or rejects one or many, with a result for each. A decision
 * keeps its Idempotency-Key until its outcome is known, so a retry after a lost response does
 * nothing twice.
 */
import { CheckCircleOutlined, ClockCircleOutlined, CloseCircleOutlined } from "@ant-design/icons";
import { useQueryClient } from "@tanstack/react-query";
import { Alert, Button, Form, Input, Modal, Progress, Space } from "antd";
import { useState } from "react";
import { Link } from "react-router";
import { ask, Refusal, type Schemas } from "../../shared/client.ts";
import { useConfirm } from "../../shared/confirm.tsx";
import { createIntentions } from "../../shared/intentions.ts";
import { useSharedWords } from "../../shared/messages.ts";
import { useWords } from "./messages.ts";
import { useName } from "./names.ts";
import { Refused } from "./refused.tsx";

export type Claim = Schemas["Claim"];
type Decision = { word: "reimburse" } | { word: "reject"; reason: string };
type Result =
  | { claim: Claim; state: "running" | "done" | "pending" }
  | { claim: Claim; state: "refused"; error: unknown };

/**
 * Requests at the same time: enough to be fast, few enough to leave the gateway free for others.
 */
const SIDE_BY_SIDE = 4;
export const changed = [
  ["claims"],
  ["claim"],
  ["invoice"],
  ["history"],
  ["external"],
  ["externals"],
  ["external-credits"],
  ["external-overpaid"],
  ["invoices"],
] as const;

export function useDecisions() {
  const queries = useQueryClient();
  const [results, setResults] = useState<readonly Result[]>([]);
  const [last, setLast] = useState<Decision | undefined>(undefined);
  const [once] = useState(() => createIntentions({ keep: true }));
  const busy = results.some(({ state }) => state === "running");

  async function decide(claim: Claim, decision: Decision): Promise<Result> {
    try {
      const answer = await once([claim.id, decision], (header) => {
        const request = { params: { id: claim.id }, ...header };
        return decision.word === "reimburse"
          ? ask("POST /v1/claims/{id}/reimburse", request)
          : ask("POST /v1/claims/{id}/reject", { ...request, body: { reason: decision.reason } });
      });
      return { claim, state: answer !== undefined && "operation" in answer ? "pending" : "done" };
    } catch (error) {
      return { claim, state: "refused", error };
    }
  }

  async function run(claims: readonly Claim[], decision: Decision): Promise<void> {
    setLast(decision);
    setResults(claims.map((claim) => ({ claim, state: "running" })));
    const queue = [...claims];
    const work = async () => {
      for (let claim = queue.shift(); claim !== undefined; claim = queue.shift()) {
        const result = await decide(claim, decision);
        setResults((all) =>
          all.map((entry) => (entry.claim.id === result.claim.id ? result : entry)),
        );
      }
    };
    await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
    await Promise.all(changed.map((queryKey) => queries.invalidateQueries({ queryKey })));
  }

  return {
    results,
    last,
    busy,
    run: (claims: readonly Claim[], decision: Decision) => void run(claims, decision),
    clear: () => setResults([]),
  };
}
export type Decisions = ReturnType<typeof useDecisions>;

const icons = {
  running: <ClockCircleOutlined />,
  pending: <ClockCircleOutlined />,
  done: <CheckCircleOutlined />,
  refused: <CloseCircleOutlined />,
};

function ResultLine({ result, word }: { result: Result; word: Decision["word"] }) {
  const say = useWords();
  const name = useName(result.claim.holder);
  const { claim, state } = result;
  return (
    <li>
      <div className="row">
        <span className={`result result-${state}`}>
          {icons[state]} {say(state === "done" ? `result.${word}` : `result.${state}`)}
        </span>
        <Link className="target" to={`/employer/claims/${claim.id}`}>
          {say("claim.of", { name: name ?? say("claim.stranger"), count: claim.invoices.length })}
        </Link>
        {claim.note === undefined ? null : <span className="quiet">{claim.note}</span>}
      </div>
      {state === "refused" ? <Refused error={result.error} /> : null}
    </li>
  );
}

/** The result of each decision, during and after the run. */
export function Results({
  decisions: { results, last, busy, run, clear },
}: {
  decisions: Decisions;
}) {
  const say = useWords();
  const shared = useSharedWords();
  if (results.length === 0 || last === undefined) return null;
  const finished = results.filter(({ state }) => state !== "running").length;
  const done = results.filter(({ state }) => state === "done").length;
  const again = results
    .filter(
      (result) =>
        result.state === "refused" && result.error instanceof Refusal && result.error.passing,
    )
    .map(({ claim }) => claim);
  return (
    <section aria-label={say("result.title")} className="panel">
      <div className="row between">
        <strong role="status">
          {busy
            ? say("result.progress", { over: finished, all: results.length })
            : say("result.summary", { done, all: results.length })}
        </strong>
        {busy ? null : (
          <Space>
            {again.length > 0 ? (
              <Button onClick={() => run(again, last)}>{shared("retry")}</Button>
            ) : null}
            <Button onClick={clear}>{say("result.close")}</Button>
          </Space>
        )}
      </div>
      {results.length > 1 ? (
        <Progress
          percent={Math.round((100 * finished) / results.length)}
          showInfo={false}
          aria-label={say("result.title")}
          status={busy ? "active" : "normal"}
        />
      ) : null}
      <ul className="plain-list">
        {results.map((result) => (
          <ResultLine key={result.claim.id} result={result} word={last.word} />
        ))}
      </ul>
    </section>
  );
}

/** The two buttons and their confirmation dialogs. */
export function DecideButtons({
  claims,
  total,
  decisions,
  onDecided,
}: {
  claims: readonly Claim[];
  total?: string;
  decisions: Decisions;
  onDecided?: () => void;
}) {
  const say = useWords();
  const shared = useSharedWords();
  const confirm = useConfirm();
  const [rejecting, setRejecting] = useState(false);
  const [form] = Form.useForm<{ reason: string }>();
  const count = claims.length;
  const invoices = claims.reduce((sum, claim) => sum + claim.invoices.length, 0);
  const reimburse = async () => {
    const yes = await confirm({
      title: say("reimburse.title"),
      detail: (
        <p>
          {total === undefined
            ? say("reimburse.detail", { count, invoices })
            : say("reimburse.detail.total", { count, invoices, total })}
        </p>
      ),
      final: say("reimburse.final"),
      yes: say("reimburse"),
    });
    if (!yes) return;
    decisions.run(claims, { word: "reimburse" });
    onDecided?.();
  };
  const reject = ({ reason }: { reason: string }) => {
    setRejecting(false);
    form.resetFields();
    decisions.run(claims, { word: "reject", reason: reason.trim() });
    onDecided?.();
  };
  return (
    <>
      <Button
        type="primary"
        disabled={count === 0}
        loading={decisions.busy}
        onClick={() => void reimburse()}
      >
        {count > 1 ? say("reimburse.many", { count }) : say("reimburse")}
      </Button>
      <Button danger disabled={count === 0 || decisions.busy} onClick={() => setRejecting(true)}>
        {count > 1 ? say("reject.many", { count }) : say("reject")}
      </Button>
      <Modal
        open={rejecting}
        title={say("reject.title")}
        okText={say("reject")}
        cancelText={shared("cancel")}
        okButtonProps={{ danger: true }}
        onCancel={() => setRejecting(false)}
        onOk={() => form.submit()}
        destroyOnHidden
      >
        <div className="stack">
          <div>{say("reject.detail", { count, invoices })}</div>
          <Form form={form} layout="vertical" requiredMark={false} onFinish={reject}>
            <Form.Item
              name="reason"
              label={say("reject.reason")}
              extra={say("reject.reason.help")}
              rules={[{ required: true, whitespace: true, message: say("reject.reason.missing") }]}
            >
              <Input.TextArea rows={3} maxLength={500} />
            </Form.Item>
          </Form>
          <Alert
            type="warning"
            showIcon
            title={shared("confirm.final")}
            description={say("reject.final")}
          />
        </div>
      </Modal>
    </>
  );
}
