/**
 * Downloads files that the API makes: `download.mutate({ path, accept, name })`. `error` and
 * `isPending` are as in useAct.
 */
import { useMutation } from "@tanstack/react-query";
import { fetchFile, saveFile } from "./client.ts";

export const useDownload = () =>
  useMutation<void, Error, { path: string; accept?: string; name: string }>({
    mutationFn: async ({ path, accept, name }) => saveFile(await fetchFile(path, accept), name),
  });
