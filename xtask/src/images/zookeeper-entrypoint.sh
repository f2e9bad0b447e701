#!/bin/sh
# What compose.yaml asks of the official image's script: a configuration made of these variables, and a server.
set -e
mkdir -p /conf /data /datalog
cat > /conf/zoo.cfg <<END
dataDir=/data
dataLogDir=/datalog
clientPort=2181
tickTime=$ZOO_TICK_TIME
maxClientCnxns=$ZOO_MAX_CLIENT_CNXNS
admin.enableServer=$ZOO_ADMINSERVER_ENABLED
4lw.commands.whitelist=$ZOO_4LW_COMMANDS_WHITELIST
END
exec /java/jvm/bin/java -Xmx512m -cp '/zookeeper/lib/*' \
    org.apache.zookeeper.server.quorum.QuorumPeerMain /conf/zoo.cfg
