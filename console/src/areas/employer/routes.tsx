/** The pages of an employer's finance clerks. */
import {
  BookOutlined,
  FileAddOutlined,
  FileExclamationOutlined,
  InboxOutlined,
  RollbackOutlined,
  TeamOutlined,
} from "@ant-design/icons";
import { Route, Routes } from "react-router";
import { AreaFrame } from "../../shared/frame.tsx";
import { NotFound } from "../../shared/guard.tsx";
import { Books } from "./books.tsx";
import { ClaimPage } from "./claim.tsx";
import { CreditsPage } from "./credits.tsx";
import "./employer.css";
import { ExternalPage } from "./external.tsx";
import { Inbox } from "./inbox.tsx";
import { useWords } from "./messages.ts";
import { People } from "./people.tsx";
import { RedLetters } from "./red-letters.tsx";
import { useEmployerRefresh } from "./refresh.ts";

export function Component() {
  const say = useWords();
  useEmployerRefresh();
  return (
    <AreaFrame
      area="employer"
      pages={[
        { path: "", label: say("nav.inbox"), icon: <InboxOutlined /> },
        { path: "external", label: say("nav.external"), icon: <FileAddOutlined /> },
        { path: "credits", label: say("nav.credits"), icon: <FileExclamationOutlined /> },
        { path: "books", label: say("nav.books"), icon: <BookOutlined /> },
        { path: "red-letters", label: say("nav.red"), icon: <RollbackOutlined /> },
        { path: "people", label: say("nav.people"), icon: <TeamOutlined /> },
      ]}
    >
      <Routes>
        <Route index element={<Inbox />} />
        <Route path="claims/:id" element={<ClaimPage />} />
        <Route path="external" element={<ExternalPage />} />
        <Route path="credits" element={<CreditsPage />} />
        <Route path="books" element={<Books />} />
        <Route path="red-letters" element={<RedLetters />} />
        <Route path="people" element={<People />} />
        <Route path="*" element={<NotFound />} />
      </Routes>
    </AreaFrame>
  );
}
