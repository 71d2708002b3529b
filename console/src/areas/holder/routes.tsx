/** Pages of the holder area. */
import { HomeOutlined } from "@ant-design/icons";
import { Empty } from "antd";
import { Route, Routes } from "react-router";
import { AreaFrame, Page } from "../../shared/frame.tsx";
import { NotFound } from "../../shared/guard.tsx";
import { useWords } from "./messages.ts";

function Home() {
  const say = useWords();
  return (
    <Page title={say("home.title")}>
      <Empty />
    </Page>
  );
}

export function Component() {
  const say = useWords();
  return (
    <AreaFrame area="holder" pages={[{ path: "", label: say("home.title"), icon: <HomeOutlined /> }]}>
      <Routes>
        <Route index element={<Home />} />
        <Route path="*" element={<NotFound />} />
      </Routes>
    </AreaFrame>
  );
}
