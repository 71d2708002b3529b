/** Pages of the bureau area. */
import {
  AlertOutlined,
  BookOutlined,
  DashboardOutlined,
  FileSearchOutlined,
  FundViewOutlined,
  KeyOutlined,
  TeamOutlined,
} from "@ant-design/icons";
import { Route, Routes } from "react-router";
import { AreaFrame } from "../../shared/frame.tsx";
import { NotFound } from "../../shared/guard.tsx";
import { AccessPage } from "./access.tsx";
import { AuditPage } from "./audit.tsx";
import "./bureau.css";
import { Dashboard } from "./dashboard.tsx";
import { DirectoryPage } from "./directory.tsx";
import { InvoiceLookup, InvoicePage } from "./invoice.tsx";
import { useWords } from "./messages.ts";
import { RefusalsPage } from "./refusals.tsx";
import { TaxpayerPage } from "./taxpayer.tsx";
import { TaxpayersPage } from "./taxpayers.tsx";

export function Component() {
  const say = useWords();
  return (
    <AreaFrame
      area="bureau"
      pages={[
        { path: "", label: say("page.dashboard"), icon: <DashboardOutlined /> },
        { path: "refusals", label: say("page.refusals"), icon: <AlertOutlined /> },
        { path: "audit", label: say("page.audit"), icon: <FundViewOutlined /> },
        { path: "taxpayers", label: say("page.taxpayers"), icon: <TeamOutlined /> },
        { path: "directory", label: say("page.directory"), icon: <BookOutlined /> },
        { path: "invoice", label: say("page.invoice"), icon: <FileSearchOutlined /> },
        { path: "access", label: say("page.access"), icon: <KeyOutlined /> },
      ]}
    >
      <Routes>
        <Route index element={<Dashboard />} />
        <Route path="refusals" element={<RefusalsPage />} />
        <Route path="audit" element={<AuditPage />} />
        <Route path="taxpayers" element={<TaxpayersPage />} />
        <Route path="taxpayers/:taxId" element={<TaxpayerPage />} />
        <Route path="directory" element={<DirectoryPage />} />
        <Route path="invoice" element={<InvoiceLookup />} />
        <Route path="invoice/:number" element={<InvoicePage />} />
        <Route path="access" element={<AccessPage />} />
        <Route path="*" element={<NotFound />} />
      </Routes>
    </AreaFrame>
  );
}
