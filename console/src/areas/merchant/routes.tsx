/** The pages of an issuer, at a till or at an accountant's desk. */
import {
  ApiOutlined,
  FileAddOutlined,
  FileTextOutlined,
  PieChartOutlined,
  RollbackOutlined,
} from "@ant-design/icons";
import { Route, Routes } from "react-router";
import { AreaFrame } from "../../shared/frame.tsx";
import { NotFound } from "../../shared/guard.tsx";
import { useRefresh } from "../../shared/live.tsx";
import { Invoice } from "./invoice.tsx";
import { Invoices } from "./invoices.tsx";
import { Issue, Replace } from "./issue.tsx";
import "./merchant.css";
import { useWords } from "./messages.ts";
import { QuotaPage } from "./quota.tsx";
import { RedLetter } from "./red-letter.tsx";
import { SheetPage, Sheets } from "./sheets.tsx";
import { WebhookPage } from "./webhook.tsx";
import { Connections } from "./webhooks.tsx";

export function Component() {
  const say = useWords();
  useRefresh(
    ["invoice.issued", "invoice.reversed", "invoice.adjusted"],
    [["invoices"], ["red-letters"], ["quota"], ["segments"]],
  );
  useRefresh(
    ["quota.set", "quota.drawn", "quota.given-back", "segment.allotted"],
    [["quota"], ["segments"]],
  );
  useRefresh(["taxpayer.suspended", "taxpayer.reinstated"], [["taxpayer"]]);
  return (
    <AreaFrame
      area="merchant"
      pages={[
        { path: "", label: say("nav.invoices"), icon: <FileTextOutlined /> },
        { path: "issue", label: say("nav.issue"), icon: <FileAddOutlined /> },
        { path: "red-letters", label: say("nav.red"), icon: <RollbackOutlined /> },
        { path: "quota", label: say("nav.quota"), icon: <PieChartOutlined /> },
        { path: "connections", label: say("nav.connections"), icon: <ApiOutlined /> },
      ]}
    >
      <Routes>
        <Route index element={<Invoices />} />
        <Route path="invoices/:number" element={<Invoice />} />
        <Route path="invoices/:number/red-letter" element={<RedLetter />} />
        <Route path="invoices/:number/replace" element={<Replace />} />
        <Route path="issue" element={<Issue />} />
        <Route path="red-letters" element={<Sheets />} />
        <Route path="red-letters/:id" element={<SheetPage />} />
        <Route path="quota" element={<QuotaPage />} />
        <Route path="connections" element={<Connections />} />
        <Route path="webhooks/:id" element={<WebhookPage />} />
        <Route path="*" element={<NotFound />} />
      </Routes>
    </AreaFrame>
  );
}
