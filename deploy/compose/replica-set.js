// Makes a replica set of the three databases of deploy/compose.yml unless it is there, and waits for
// its primary. Run by mongosh.

const members = ["mongo-1", "mongo-2", "mongo-3"];

try {
  rs.status();
} catch (error) {
  if (error.codeName !== "NotYetInitialized") {
    throw error;
  }
  rs.initiate({
    _id: "heliograph",
    members: members.map((name, number) => ({ _id: number, host: `${name}:27017` })),
  });
}

while (!rs.status().members.some((member) => member.stateStr === "PRIMARY")) {
  sleep(500);
}
