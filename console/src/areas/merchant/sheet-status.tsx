/** The status of a confirmation sheet (红字信息确认单): icon, text and code. */
import {
  CheckCircleOutlined,
  ClockCircleOutlined,
  CloseCircleOutlined,
  SyncOutlined,
} from "@ant-design/icons";
import { Tag } from "antd";
import type { Schemas } from "../../shared/client.ts";
import { useWords } from "./messages.ts";

type Sheet = Schemas["RedLetterSummary"];
export type SheetStatusCode = Sheet["status"];

/** Every status, from the API's own list. */
const looks = {
  "01": "busy",
  "02": "wait",
  "03": "wait",
  "04": "busy",
  "05": "bad",
  "06": "bad",
  "07": "bad",
  "08": "quiet",
  "09": "quiet",
} as const satisfies Record<SheetStatusCode, string>;
export const sheetStatuses = Object.keys(looks) as SheetStatusCode[];

const icons = {
  busy: <SyncOutlined />,
  wait: <ClockCircleOutlined />,
  bad: <CloseCircleOutlined />,
  quiet: <CloseCircleOutlined />,
  done: <CheckCircleOutlined />,
};

export function SheetStatus({
  sheet: { status, number },
}: {
  sheet: Pick<Sheet, "status" | "number">;
}) {
  const say = useWords();
  const look = number === undefined ? looks[status] : "done";
  return (
    <Tag icon={icons[look]} variant="outlined" className={`state state-${look}`}>
      {number === undefined ? `${status} ${say(`sheet.${status}`)}` : say("sheet.issued")}
    </Tag>
  );
}
