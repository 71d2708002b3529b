/** The directory of companies: its load from a file, and a search. */
import { InboxOutlined } from "@ant-design/icons";
import { useQuery } from "@tanstack/react-query";
import { Alert, Card, Empty, Input, Progress, Table, Upload } from "antd";
import { useState } from "react";
import { useAct } from "../../shared/act.ts";
import { ask, type Problem } from "../../shared/client.ts";
import { Page } from "../../shared/frame.tsx";
import { BrokenRules, Loaded, ProblemNote } from "../../shared/problem.tsx";
import { Wide } from "../../shared/show.tsx";
import { useWords } from "./messages.ts";

type Refused = { line: number; problem: Problem & { errors?: Violation[] } };
type Violation = { field: string; rule: string; detail: string };
type Totals = {
  done: boolean;
  stored: number;
  changed: number;
  refused: number;
  problem?: Problem;
};
type Loading = { totals: Totals; refused: Refused[] };

/** Refused lines that are shown. */
const SHOWN = 100;
/** A load may take as long as the gateway lets it. */
const PATIENCE_MS = 15 * 60_000;
const LISTED = 50;

/** The refused lines, and the last line. Throws on an answer that was cut. */
function resultsOf(answer: Uint8Array): Loading {
  const lines = new TextDecoder().decode(answer).trimEnd().split("\n");
  const totals = JSON.parse(lines.pop() ?? "") as Totals;
  const refused = lines.slice(0, SHOWN).map((line) => JSON.parse(line) as Refused);
  return { totals, refused };
}

function Outcome({ totals, refused }: Loading) {
  const say = useWords();
  const { done, stored, changed, refused: count } = totals;
  return (
    <div className="stack">
      <Alert
        type={done && count === 0 ? "success" : "warning"}
        showIcon
        role="status"
        title={say(done ? "directory.done" : "directory.cut", { stored, changed, refused: count })}
        description={done ? undefined : totals.problem?.detail}
      />
      {refused.length === 0 ? null : (
        <Wide label={say("directory.refused")}>
          <Table<Refused>
            rowKey="line"
            pagination={false}
            dataSource={refused}
            columns={[
              {
                key: "line",
                title: say("directory.line"),
                render: (_, { line }) => <span className="number">{line}</span>,
              },
              {
                key: "rules",
                title: say("directory.refused"),
                render: (_, { problem }) =>
                  problem.errors ? <BrokenRules rules={problem.errors} /> : problem.detail,
              },
            ]}
          />
        </Wide>
      )}
      {count > SHOWN ? <p className="quiet">{say("directory.more", { count: SHOWN })}</p> : null}
    </div>
  );
}

function Load() {
  const say = useWords();
  const load = useAct(
    async (file: File, once) =>
      resultsOf(
        await ask("POST /v1/taxpayers/directory", {
          ...once,
          body: file,
          type: /\.csv$/i.test(file.name) ? "text/csv" : "application/x-ndjson",
          patience: { timeoutMs: PATIENCE_MS },
        }),
      ),
    { refreshes: [["directory"]] },
  );
  return (
    <Card title={<h2>{say("directory.load")}</h2>}>
      <div className="stack">
        <ProblemNote error={load.error} />
        <Upload.Dragger
          accept=".csv,.ndjson,.jsonl"
          showUploadList={false}
          disabled={load.isPending}
          beforeUpload={(file) => {
            load.mutate(file);
            return Upload.LIST_IGNORE;
          }}
        >
          <p className="drop-icon">
            <InboxOutlined />
          </p>
          <p>{say("directory.drop")}</p>
          <p className="quiet small">{say("directory.drop.help")}</p>
        </Upload.Dragger>
        {load.isPending ? (
          <Progress
            percent={100}
            status="active"
            showInfo={false}
            aria-label={say("directory.load")}
          />
        ) : null}
        {load.data ? <Outcome {...load.data} /> : null}
      </div>
    </Card>
  );
}

function Search() {
  const say = useWords();
  const [text, setText] = useState("");
  const byTaxId = /^[0-9A-Za-z]{4,40}$/.test(text);
  const companies = useQuery({
    queryKey: ["directory", text],
    queryFn: () =>
      ask("GET /v1/taxpayers/directory", {
        query: { ...(byTaxId ? { taxId: text } : { name: text }), limit: LISTED },
      }),
    enabled: text !== "",
  });
  return (
    <Card title={<h2>{say("directory.search")}</h2>}>
      <div className="stack">
        <Input.Search
          aria-label={say("directory.search")}
          placeholder={say("directory.search.placeholder")}
          maxLength={200}
          onSearch={(typed) => setText(typed.trim())}
        />
        {text === "" ? (
          <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={say("directory.search.help")} />
        ) : (
          <Loaded
            query={companies}
            empty={({ items }) => items.length === 0}
            nothing={say("directory.none")}
          >
            {({ items, more }) => (
              <>
                <Wide label={say("directory.search")}>
                  <Table
                    rowKey="taxId"
                    pagination={false}
                    dataSource={items}
                    columns={[
                      { key: "name", title: say("taxpayer.name"), dataIndex: "name" },
                      {
                        key: "taxId",
                        title: say("taxpayer.taxId"),
                        render: (_, { taxId }) => <span className="number">{taxId}</span>,
                      },
                    ]}
                  />
                </Wide>
                {more ? <p className="quiet">{say("directory.search.more")}</p> : null}
              </>
            )}
          </Loaded>
        )}
      </div>
    </Card>
  );
}

export function DirectoryPage() {
  const say = useWords();
  return (
    <Page title={say("page.directory")}>
      <div className="stack">
        <Search />
        <Load />
      </div>
    </Page>
  );
}
