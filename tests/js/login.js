// Login logs in with a creds file as any Node service would; the same conversation as tests/go/login.
//
//   node login.js URL CREDS-FILE INBOX-PREFIX [CA-FILE [CERTIFICATE-FILE KEY-FILE]]
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { connect, credsAuthenticator } from "@nats-io/transport-node";

const [url, creds, inboxPrefix, caFile, certFile, keyFile] = process.argv.slice(2);
const patience = 5000;

let violations = [];
let connection;
try {
  connection = await connect({
    servers: url,
    authenticator: credsAuthenticator(readFileSync(creds)),
    inboxPrefix,
    reconnect: false,
    timeout: patience,
    ...(caFile && { tls: { caFile, certFile, keyFile } }),
  });
} catch (error) {
  console.log(/authorization/i.test(error.message) ? "refused" : `failed: ${error.message}`);
  process.exit(1);
}
console.log("connected");

(async () => {
  for await (const status of connection.status()) {
    if (status.type === "error") violations.push(status.error);
  }
})();

async function attempt(verb, subject) {
  violations = [];
  if (verb === "request") {
    await connection.request(subject, "x", { timeout: patience });
    return;
  }
  connection.publish(subject, "x");
  // The server answers in order: a refusal is here before the flush is.
  await connection.flush();
  await new Promise((resolve) => setTimeout(resolve, 100)); // statuses are delivered beside the flush
  if (violations.length > 0) throw violations[0];
}

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const [verb, subject] = line.split(" ");
  attempt(verb, subject).then(
    () => console.log("allowed"),
    () => console.log("refused"),
  );
});

await connection.closed();
console.log("closed");
process.exit(0);
