"""Tables of the programs and archives that observers use, a few rows each."""

from __future__ import annotations

AAVSO_EXTENDED = """\
#TYPE=EXTENDED
#OBSCODE=ABC
#SOFTWARE=A program, 1.0
#DELIM=,
#DATE=HJD
#OBSTYPE=CCD
#NAME,DATE,MAG,MERR,FILT,TRANS,MTYPE,CNAME,CMAG,KNAME,KMAG,AMASS,GROUP,CHART,NOTES
SS CYG,2459001.25,11.135,0.003,V,NO,STD,105,10.593,110,11.090,1.561,1,X1,na
SS CYG,2459001.5,<14.2,na,B,NO,STD,105,10.593,110,11.090,1.561,1,X1,cloud
# a remark between the rows
SS CYG,2459001.75,11.2,na,V,NO,STD,105,10.593,110,11.090,1.561,1,X1,na
"""
AAVSO_SPACED = AAVSO_EXTENDED.replace("#DELIM=,", "#DELIM=|").replace(",", "|")
AAVSO_WEBOBS = """\
JD,Magnitude,Uncertainty,HQuncertainty,Band,Observer Code,Comment Code(s),Comp Star 1,Charts,HJD
2459001.25,11.1,,,Vis.,ABC,,105,"X1, X2",
2459001.5,<13.9,,,Vis.,DEF,B,,X1,
2459001.75,11.15,0.02,,V,DEF,,105,X1,2459001.7512
2459002.25,11.2:,0.01,,V,DEF,,105,X1,
"""
EXOTIC_AAVSO = """\
#TYPE=EXOPLANET
#OBSCODE=ABC
#DELIM=,
#DATE_TYPE=BJD_TDB
#MEASUREMENT_TYPE=Rnflux
#DETREND_PARAMETERS=AIRMASS
#DATE,DIFF,ERR,DETREND_1
2459001.25,0.9987,0.0031,1.10
2459001.5,1.0012,0.0032,1.12
"""
EXOTIC_FINAL = """\
# BJD_TDB,Orbital Phase,Flux,Uncertainty,Model,Airmass
2459001.25, -0.02, 0.9987, 0.0031, 1.0, 1.1
2459001.5, -0.01, 1.0012, 0.0032, 1.0, 1.12
"""
ZTF_IRSA = """\
oid,expid,hjd,mjd,mag,magerr,catflags,filtercode,ra,dec,limitmag
686103400067717,44,2459001.25,59000.748,17.01,0.02,0,zg,1.0,2.0,20.9
686103400067717,45,2459001.5,59000.998,16.52,0.01,0,zr,1.0,2.0,20.5
"""
ZTF_IPAC = """\
\\fixlen = T
\\RowsRetrieved = 2
|             oid|         hjd|       mjd|     mag| magerr| filtercode|
|            long|      double|    double|   float|  float|       char|
|                |            |      days|     mag|    mag|           |
|            null|        null|      null|    null|   null|       null|
  686103400067717 2459001.2500 59000.7480    17.01    0.02          zg
  686103400067717 2459001.5000 59000.9980    16.52    0.01          zr
"""
ALERCE = """\
candid,mjd,fid,magpsf,sigmapsf,diffmaglim,isdiffpos
1,59000.75,1,17.01,0.02,20.5,1
,59001.0,2,,,19.8,
2,59001.25,2,16.52,0.01,20.6,1
"""
ASTROIMAGEJ = """\
 \tLabel\tslice\tSaturated\tJ.D.-2400000\tJD_UTC\tBJD_TDB\tAIRMASS\trel_flux_T1\trel_flux_err_T1\
\trel_flux_SNR_T1\trel_flux_C2\tSource-Sky_T1\tSource_Error_T1
1\ta.fits\t1\t0\t59000.74\t2459000.74\t2459001.25\t1.1\t0.4981\t0.0021\t240\t0.3\t15000\t50
2\tb.fits\t2\t0\t59000.99\t2459000.99\t2459001.5\t1.2\t0.5012\t0.0022\t241\t0.3\t15100\t50
"""
ASASSN = """\
# Sky Patrol
JD,Flux,Flux Error,Mag,Mag Error,Limit,FWHM,Filter,Quality,Camera
2459001.25,12.3,0.1,13.701,0.012,17.2,1.5,V,G,ba
2459001.5,0.01,0.2,99.99,99.99,16.9,1.6,g,B,bb
2459001.75,12.1,0.1,13.721,0.012,17.1,1.5,g,G,bb
"""
ASASSN_OLD = """\
HJD,UT Date,Camera,FWHM,Limit,mag,mag_err,flux(mJy),flux_err,Filter
2459001.25,2020-05-31.75,ba,1.5,17.2,13.701,0.012,12.3,0.1,V
2459001.5,2020-06-01.00,bb,1.6,16.9,>16.900,99.990,0.01,0.2,V
"""
SEMICOLON = """\
JD;Mag;Err
2459001,25;11,135;0,003
2459001,5;11,2;
"""
ISO_TIMES = """\
Date,mag,err
2020-05-31T18:00:00Z,11.135,0.003
2020-06-01 02:00:00+02:00,11.2,0.004
2020/06/01 06:00:00,11.3,99
01.06.2020 12:00:00 UTC,11.4,-999
"""
DAY_AND_CLOCK = """\
2020-05-31 18:00:00 11.135 0.003
2020-06-01 00:00:00 11.2 0.004
2020-06-01 06:00:00.5 11.3 0.004
"""
NO_HEADER = """\
2459001.25,11.135,0.003,V
2459001.5,11.2,0.004,R
"""
NO_HEADER_FLUX = """\
59000.75 0.9987 0.0031
59001.0 1.0012 0.0032
"""
SENTINELS = """\
mjd,mag,magerr,filter
59000.75,11.135,0.003,V
59001.0,99.999,9.999,V
59001.1,-999,-999,V
59001.2,99,99,V
59001.25,11.2,9.999,V
-999,11.2,0.1,V
"""
BANDS_ABREAST = """\
MJD,B,B_err,V,V_err
59000.75,12.1,0.01,11.1,0.02
59001.0,,,11.2,0.02
"""
TESS_CSV = """\
# BJD - 2457000, days
BTJD,pdcsap_flux,pdcsap_flux_err
2001.25,1001.5,1.25
2001.5,,
2001.75,999.999,1.25
"""
ATLAS = """\
###MJD m dm uJy duJy F err chi/N RA Dec x y
59000.75 17.1 0.02 520 10 o 0 1.1 1.0 2.0 10 20
59001.0 -18.9 0.9 -98 12 c 0 1.2 1.0 2.0 10 20
"""
SIRIL = """\
# Siril light curve
# JD_UT (+ 2459000)
1.25 -1.135 0.003
1.5 -1.2 0.004
1.75 -1.1 0.004
"""
ECSV = """\
# %ECSV 1.0
# ---
# datatype:
# - {name: time, datatype: float64, unit: d}
# - {name: mag, datatype: float32}
# - {name: band, datatype: string}
# schema: astropy-2.0
time mag band
59000.75 11.1 V
59001.0 "" V
"""
VOTABLE = """\
<?xml version="1.0"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>
<FIELD name="mjd" datatype="double"/><FIELD name="mag" datatype="double"/>
<DATA><TABLEDATA><TR><TD>59000.75</TD><TD>11.1</TD></TR></TABLEDATA></DATA>
</TABLE></RESOURCE></VOTABLE>
"""
