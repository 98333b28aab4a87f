// Answers with compressed JSON over HTTP, with Node's own modules.
const http = require("http");
const zlib = require("zlib");

const port = Number(process.env.PORT || 8103);

if (process.argv.includes("--check")) {
  http
    .get({ port, host: "127.0.0.1" }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("end", () => {
        const text = zlib.gunzipSync(Buffer.concat(parts)).toString();
        process.exit(JSON.parse(text).node ? 0 : 1);
      });
    })
    .on("error", () => process.exit(1));
} else {
  http
    .createServer((_, answer) => {
      answer.end(zlib.gzipSync(JSON.stringify({ node: process.version })));
    })
    .listen(port);
}
