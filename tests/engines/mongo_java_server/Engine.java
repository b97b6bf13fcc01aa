import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.ServerVersion;
import de.bwaldvogel.mongo.backend.QueryResult;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import de.bwaldvogel.mongo.wire.message.MongoQuery;
import io.netty.channel.Channel;
import java.util.ArrayList;
import java.util.List;

/**
 * mongo-java-server in memory, on a free port that it prints, until its standard input ends. By
 * itself it knows no hello, claims an old wire version, and hands out one number twice when two
 * commands come at once: hence one command at a time here, each answer copied before it is encoded.
 */
public class Engine extends MemoryBackend {
    private static Object copied(Object value) {
        if (value instanceof Document document) {
            Document copy = new Document();
            document.forEach((key, inner) -> copy.put(key, copied(inner)));
            return copy;
        }
        if (value instanceof List<?> list) {
            List<Object> copy = new ArrayList<>();
            list.forEach(inner -> copy.add(copied(inner)));
            return copy;
        }
        return value;
    }

    @Override
    public synchronized Document handleCommand(
            Channel channel, String database, String command, Document query) {
        String known = command.equalsIgnoreCase("hello") ? "isMaster" : command;
        Document answer = (Document) copied(super.handleCommand(channel, database, known, query));
        if (answer.containsKey("maxWireVersion")) {
            answer.put("maxWireVersion", 9); // that of MongoDB 4.4
            answer.put("isWritablePrimary", true);
        }
        return answer;
    }

    @Override
    public synchronized Document handleMessage(MongoMessage message) {
        return (Document) copied(super.handleMessage(message));
    }

    @Override
    public synchronized QueryResult handleQuery(MongoQuery query) {
        return super.handleQuery(query);
    }

    public static void main(String[] arguments) throws Exception {
        MongoServer server = new MongoServer(new Engine().version(ServerVersion.MONGO_5_0));
        System.out.println("port " + server.bind().getPort());
        while (System.in.read() >= 0) {}
        server.shutdownNow();
    }
}
