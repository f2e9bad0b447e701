// Requests to the centre, with the token if there is one.

const KEPT = "sd-token";

/** What the centre refused, in its own words. */
export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

let token = sessionStorage.getItem(KEPT);

/** Whether a token is shown. */
export const hasToken = () => token !== null;

/** Shows this token from now on, for as long as the tab lives; `null`: none. */
export function useToken(given) {
  token = given;
  if (given === null) {
    sessionStorage.removeItem(KEPT);
  } else {
    sessionStorage.setItem(KEPT, given);
  }
}

/** A response that is a success; anything else is an error. */
export async function open(path, options = {}) {
  const headers = { ...options.headers };
  if (token !== null) headers.authorization = `Bearer ${token}`;
  // Relative to the page, so that it works below a path of some proxy, too.
  const response = await fetch(path, { cache: "no-store", ...options, headers }).catch((error) => {
    // What browsers say of it differs, and tells people nothing.
    throw error instanceof TypeError ? new Error("the centre can't be reached", { cause: error }) : error;
  });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new Refused(response.status, problem.detail ?? `the centre answered ${response.status}`);
}

/** What a read answers. */
export const read = async (path, signal) => (await open(path, { signal })).json();

/** What an act answers. */
export async function act(path, body, signal) {
  const headers = { "content-type": "application/json" };
  const response = await open(path, { method: "POST", headers, body: JSON.stringify(body), signal });
  return response.json();
}
