// A forwarder of RTP as a user would write it with pion, from Debian's golang-github-pion-webrtc.v3-dev (bench/lib/pion.mjs
// builds it). `pion_rtp HTTP_PORT RTP_PORT` answers `POST` with an offer of one section of video.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/pion/rtp"
	"github.com/pion/webrtc"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetIPFilter(func(ip net.IP) bool { return ip.String() == "127.0.0.1" })
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	media := &webrtc.MediaEngine{}
	h264 := webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeH264, ClockRate: 90000,
		SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
	}
	must(media.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: h264, PayloadType: 96}, webrtc.RTPCodecTypeVideo))
	api := webrtc.NewAPI(webrtc.WithSettingEngine(settings), webrtc.WithMediaEngine(media))
	// One track for all viewers, which is what pion's own examples do.
	track, err := webrtc.NewTrackLocalStaticRTP(h264, "video", "camera")
	must(err)

	source, err := net.ListenPacket("udp4", "127.0.0.1:"+os.Args[2])
	must(err)
	must(source.(*net.UDPConn).SetReadBuffer(1 << 20))
	go func() {
		buffer := make([]byte, 2048)
		packet := rtp.Packet{}
		for {
			n, _, err := source.ReadFrom(buffer)
			must(err)
			if packet.Unmarshal(buffer[:n]) == nil {
				_ = track.WriteRTP(&packet) // a viewer that is gone is no reason to stop
			}
		}
	}()

	http.HandleFunc("/", func(response http.ResponseWriter, request *http.Request) {
		offer, err := io.ReadAll(request.Body)
		must(err)
		peer, err := api.NewPeerConnection(webrtc.Configuration{})
		must(err)
		sender, err := peer.AddTrack(track)
		must(err)
		go func() { // its RTCP has to be read
			buffer := make([]byte, 1500)
			for {
				if _, _, err := sender.Read(buffer); err != nil {
					return
				}
			}
		}()
		must(peer.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: string(offer)}))
		answer, err := peer.CreateAnswer(nil)
		must(err)
		gathered := webrtc.GatheringCompletePromise(peer)
		must(peer.SetLocalDescription(answer))
		<-gathered
		response.Header().Set("Content-Type", "application/sdp")
		response.Header().Set("Content-Length", fmt.Sprint(len(peer.LocalDescription().SDP)))
		response.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(response, peer.LocalDescription().SDP)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	must(err)
	fmt.Printf("listening on http://127.0.0.1:%s/\n", os.Args[1])
	must(http.Serve(listener, nil))
}
