package simt
import ("os";"testing";"path/filepath";"github.com/orion-vgpu/orion/host/driver/softgpu/ptx")
func TestZZ(t *testing.T){
 fs,_:=filepath.Glob("/tmp/sg/ptx/*.ptx"); g:=newGPU(t); n:=0
 for _,f:=range fs{ b,_:=os.ReadFile(f); if len(b)==0 {continue}; ast,err:=ptx.Parse(string(b)); if err!=nil{t.Errorf("%s: %v",f,err);continue}
  m,err:=NewModule(ast,func(v *ptx.Var)(uint64,error){return uint64(g.alloc(max(v.Size,1))),nil}); if err!=nil{t.Errorf("%s: %v",f,err);continue}
  for _,k:=range m.Kernels(){ n++; if _,err:=m.Program(k);err!=nil{t.Errorf("%s: %v",filepath.Base(f),err)}}}
 t.Log(n,"kernels")
}
