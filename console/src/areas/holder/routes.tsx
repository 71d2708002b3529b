/** The pages of a person who holds invoices, designed for a phone first. */
import {
  FileTextOutlined,
  KeyOutlined,
  QrcodeOutlined,
  SwapOutlined,
  WalletOutlined,
} from "@ant-design/icons";
import { Route, Routes } from "react-router";
import { AreaFrame } from "../../shared/frame.tsx";
import { NotFound } from "../../shared/guard.tsx";
import { useRefresh } from "../../shared/live.tsx";
import { AccessPage } from "./access.tsx";
import { Invoice } from "./invoice.tsx";
import { Invoices } from "./invoices.tsx";
import { useWords } from "./messages.ts";
import { NewReport } from "./new-report.tsx";
import { Pickup } from "./pickup.tsx";
import { Report, Reports } from "./reports.tsx";
import { Transfers } from "./transfers.tsx";

export function Component() {
  const say = useWords();
  // each of these pages shows what happens to the holder's invoices
  useRefresh("all", [["invoices"], ["invoice"], ["history"], ["claims"], ["transfers"]]);
  return (
    <AreaFrame
      area="holder"
      pages={[
        { path: "", label: say("nav.invoices"), icon: <WalletOutlined /> },
        { path: "pickup", label: say("nav.pickup"), icon: <QrcodeOutlined /> },
        { path: "transfers", label: say("nav.transfers"), icon: <SwapOutlined /> },
        { path: "reports", label: say("nav.reports"), icon: <FileTextOutlined /> },
        { path: "access", label: say("nav.access"), icon: <KeyOutlined /> },
      ]}
    >
      <Routes>
        <Route index element={<Invoices />} />
        <Route path="invoices/:number" element={<Invoice />} />
        <Route path="pickup" element={<Pickup />} />
        <Route path="transfers" element={<Transfers />} />
        <Route path="reports" element={<Reports />} />
        <Route path="reports/new" element={<NewReport />} />
        <Route path="reports/:id" element={<Report />} />
        <Route path="access" element={<AccessPage />} />
        <Route path="*" element={<NotFound />} />
      </Routes>
    </AreaFrame>
  );
}
