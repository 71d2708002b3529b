/**
 * Shows files of the API as images and frames: fetches them with the session and gives each a URL
 * that only this page can use.
 */
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { fetchFile } from "./client.ts";

/** Keeps a frame from loading its file again each time the window gets the focus. */
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
    const objectUrl = URL.createObjectURL(blob);
    setUrl(objectUrl);
    return () => URL.revokeObjectURL(objectUrl);
  }, [blob]);
  return { ...query, data: blob === undefined ? undefined : url };
}
