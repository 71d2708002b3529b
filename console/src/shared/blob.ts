/**
 * Files of the API as pictures and frames: fetched with the session, shown by a URL of this page
 * alone.
 */
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { fetchFile } from "./client.ts";

/** A frame that shows a file is not to load it anew whenever one comes back to the window. */
const FRESH_MS = 60_000;

export function useBlobUrl(path: string, accept: string) {
  const query = useQuery({
    queryKey: ["file", path, accept],
    queryFn: () => fetchFile(path, accept),
    staleTime: FRESH_MS,
  });
  const [url, setUrl] = useState<string | undefined>(undefined);
  const blob = query.data;
  useEffect(() => {
    if (blob === undefined) return;
    const made = URL.createObjectURL(blob);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [blob]);
  return { ...query, data: blob === undefined ? undefined : url };
}
